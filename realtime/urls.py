"""Included at the root: the event stream and the pages."""

from __future__ import annotations

from django.urls import path

from realtime import sse, views

urlpatterns = [
    path("realtime/updates", sse.updates, name="updates"),
    path("", views.heatmap, name="board"),
    path("jobs/<int:job_id>", views.job, name="job-page"),
    path("jobs/<int:job_id>/stages/<path:name>", views.stage, name="stage-page"),
    path("issues", views.issues, name="issues-page"),
    path("tasks", views.tasks, name="tasks-page"),
]
