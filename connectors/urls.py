from django.urls import path

from connectors import api

urlpatterns = [
    path("connectors", api.ConnectorList.as_view(), name="connectors"),
    path("connectors/<int:connector_id>/sync", api.StartSync.as_view(), name="start-sync"),
    path("sync-runs/<int:sync_run_id>", api.SyncRunDetail.as_view(), name="sync-run"),
]
