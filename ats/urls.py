from django.urls import path

from ats import api

urlpatterns = [
    path("jobs", api.JobList.as_view(), name="jobs"),
    path("candidates/<int:candidate_id>", api.CandidateDetail.as_view(), name="candidate"),
]
