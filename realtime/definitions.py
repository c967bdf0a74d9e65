"""What the numbers on the pages mean, in a reader's words. The formulas stand with the code in ``analytics.estimators``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Definition:
    id: str
    name: str
    text: str


DEFINITIONS = (
    Definition("M01", "Median and 85% stay",
               "Half of all stays in a stage (or 85 of 100) are over after this many days. People still waiting count as “at least so "
               "long”, by the product-limit (Kaplan–Meier) curve; leaving them out would make a clogged stage look fast. “~” stands "
               "before a median of fewer than 20 ended stays, “>” where too few have left to know more than a lower bound; under 6 ended "
               "stays there is none."),
    Definition("mean", "Mean stay",
               "The average of the stays that have ended, calendar hours: to compare with the ATS's own report. It leaves out everybody "
               "still waiting and follows every straggler, so no colour and no rule uses it."),
    Definition("M02", "Time to advance, time to reject",
               "The median of the stays that ended that way. It leaves out everybody still waiting, so read it beside M01."),
    Definition("M03", "Chance to advance",
               "The share that has moved on after so many days; people rejected or withdrawn cannot any more, and count as such."),
    Definition("M04", "Age", "Days since somebody entered the stage they wait in now; “≥” where that was before Stagewatch watched."),
    Definition("M06", "Waiting, came in, left",
               "Waiting: applications in the stage now. Came in and left: stays that began or ended in the window."),
    Definition("M07", "Share that advances",
               "Of the applications that entered a stage in the window and are decided. The bounds beside it tell what it would be if "
               "nobody, or everybody, undecided advanced."),
    Definition("M08", "Drop-off", "Of those decided: rejected or withdrawn without having advanced; 95% interval after Wilson."),
    Definition("M10", "Time to first action",
               "From application to the first thing a person did about it; those unanswered count as waiting."),
    Definition("M11", "Time to hire", "From application to the accepted offer, calendar days; hires of the window only."),
    Definition("M12", "Time to fill", "From the opening of the job to the accepted offer, without the days on hold."),
    Definition("M14", "Offers accepted", "Of the offers answered; open and withdrawn ones are told apart."),
    Definition("M15", "Kept within the limit", "The share of stays that end within the limit of the stage, by the curve of M01."),
    Definition("M19", "Delay", "The median of the last 30 days against 180 days of the same kind of stage in other jobs."),
    Definition("M20", "Days over limit",
               "Business days beyond the limit of their stage, summed over everybody waiting: what waiting costs. Jobs are sorted by it. "
               "The limit is the target set for the stage, else the 85% mark of the past 180 days (of the job, its department or the "
               "organization, whichever first has 20 ended stays), else a default."),
    Definition("M21", "Throughput", "Hires, or stays ended, per 28 days."),
    Definition("M24", "Heat",
               "The colour and the circle of a cell: at least a fifth of the people there have waited this long. Fresh: up to half the "
               "limit (or the usual median). Watch: up to the limit. Late: up to twice the limit. Critical: longer."),
    Definition("M25", "Freshness",
               "Up to which moment everything in the ATS is known here. While it is too old, no issue opens and none resolves itself."),
    Definition("F01", "Forecast",
               "The people in the stages, and the newcomers to be expected, walk on as people lately did, a thousand times over. The range "
               "holds what comes 80 times in 100, and past forecasts are held against what came, so that you can see whether to trust it."),
    Definition("issues", "Issues",
               "What a rule found wrong and nobody has decided on yet: neither acknowledged nor snoozed nor resolved. Fifteen people with "
               "one trouble in one stage are one issue with members."),
    Definition("score", "Score",
               "How bad an issue is, from 0 to 100: up to 50 for how far the wait is past its limit (in full at four times the limit), 20 "
               "for how late the stage is, 12 for the candidate's wait in calendar days (in full at 45), 10 for how many people it "
               "concerns and 8 for the job's priority. From 75 it is critical, from 55 high, from 35 medium."),
    Definition("tasks", "Tasks",
               "What one person should do about one issue; open or begun ones are counted. There is one at a time for each issue."),
    Definition("applications", "Applications",
               "One candidate on one job; the unit of every number here. Somebody who applies for two jobs counts in both."),
    Definition("bd", "Business days and calendar days",
               "Business days follow the organization's working calendar (zone, working days, holidays; days on hold are left out) and "
               "are what a team can be held to; limits, colours and issues always use them. Calendar days are what the candidate feels."),
)  # fmt: skip

BY_ID = {one.id: one for one in DEFINITIONS}
