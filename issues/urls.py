from django.urls import path

from issues import api

urlpatterns = [
    path("rules", api.RuleList.as_view(), name="rules"),
    path("issues", api.IssueList.as_view(), name="issues"),
    path("issues/<int:issue_id>", api.IssueDetail.as_view(), name="issue"),
    path("issues/<int:issue_id>/acknowledge", api.Acknowledge.as_view(), name="issue-acknowledge"),
    path("issues/<int:issue_id>/snooze", api.Snooze.as_view(), name="issue-snooze"),
    path("issues/<int:issue_id>/resolve", api.Resolve.as_view(), name="issue-resolve"),
    path("issues/<int:issue_id>/reopen", api.Reopen.as_view(), name="issue-reopen"),
]
