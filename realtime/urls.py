"""Included at the root: the event stream and the pages."""

from __future__ import annotations

from django.urls import path

from realtime import api, inbox_views, job_views, number_views, people_views, setup_views, sse, views

urlpatterns = [
    path("realtime/updates", sse.updates, name="updates"),
    path("realtime/tickets", api.TicketList.as_view(), name="tickets"),
    path("", views.heatmap, name="board"),
    path("jobs/<int:job_id>", job_views.job, name="job-page"),
    path("jobs/<int:job_id>/stages/<path:name>/explain", job_views.explain, name="explain-page"),
    path("jobs/<int:job_id>/stages/<path:name>", job_views.stage, name="stage-page"),
    path("jobs/<int:job_id>/numbers/<slug:name>", number_views.of_job, name="number-page"),
    path("sums", number_views.of_board, name="sum-page"),
    path("candidates/<int:candidate_id>", people_views.candidate, name="candidate-page"),
    path("issues", inbox_views.issues, name="issues-page"),
    path("issues/<int:issue_id>", inbox_views.issue, name="issue-page"),
    path("tasks", inbox_views.tasks, name="tasks-page"),
    path("tasks/<int:task_id>", inbox_views.task, name="task-page"),
    path("setup", setup_views.setup, name="setup"),
    path("definitions", views.definitions, name="definitions-page"),
]
