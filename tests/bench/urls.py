"""The addresses of the product and of the bare views beside it, on the same server."""

from django.urls import URLPattern, URLResolver, include, path

from tests.bench import bare

urlpatterns: list[URLPattern | URLResolver] = [
    path("bare/form/", bare.form),
    path("bare/sql/", bare.sql),
    path("bare/verbs/", bare.verbs),
    path("", include("smsmanager.urls")),
]
