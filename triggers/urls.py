from django.urls import path

from triggers import api

urlpatterns = [
    path("tasks", api.TaskList.as_view(), name="tasks"),
    path("tasks/outcomes", api.TaskOutcomes.as_view(), name="task-outcomes"),
    path("tasks/<int:task_id>", api.TaskDetail.as_view(), name="task"),
]
