"""The product's settings, with the views added that its own are measured beside."""

from config.settings import *  # noqa: F403  (a settings module is its names)

ROOT_URLCONF = "benchmarks.urls"
