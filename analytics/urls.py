from django.urls import path

from analytics import api

urlpatterns = [
    path("heatmap", api.OrgHeatmap.as_view(), name="org-heatmap"),
    path("jobs/<int:job_id>/heatmap", api.JobHeatmap.as_view(), name="job-heatmap"),
    path("jobs/<int:job_id>/stats", api.JobStats.as_view(), name="job-stats"),
    # a stage may be called "Offer / verbal"
    path("jobs/<int:job_id>/stage/<path:name>/candidates", api.Drilldown.as_view(), name="stage-candidates"),
    path("jobs/<int:job_id>/stage/<path:name>/baseline", api.BaselineStays.as_view(), name="stage-baseline"),
]
