"""The addresses of the whole, and what the ledger's kinds of cause mean."""

from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import URLPattern, URLResolver, path, re_path
from django.views.i18n import set_language

from compose import views as compose
from credits import views as accounts
from inbox import views as inbox
from senders import views as senders
from smsmanager import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("", compose.compose, name="compose"),
    path("quote/", compose.quote, name="quote"),
    path("sent/", compose.sent, name="sent"),
    path("sent/<int:pk>/", compose.message, name="message"),
    path("sent/submission/<int:pk>/", compose.submission, name="submission"),
    path("sent/submission/<int:pk>/cancel/", compose.cancel_submission, name="cancel_submission"),
    path("scheduled/", compose.scheduled, name="scheduled"),
    path("scheduled/<int:pk>/cancel/", compose.cancel_message, name="cancel_message"),
    path("received/", inbox.received, name="received"),
    path("received/<int:pk>/", inbox.conversation, name="conversation"),
    path("senders/", senders.senders, name="senders"),
    path("senders/new/", senders.sender_request, name="sender_request"),
    re_path(
        r"^senders/(?P<pk>\d{1,18})/(?P<verb>enable|disable|delete)/$",
        senders.sender_switch,
        name="sender_switch",
    ),
    path("credits/", accounts.statement, name="credits"),
    path("account/", accounts.switch_account, name="switch_account"),
    path("account/me/", accounts.profile, name="profile"),
    path("account/none/", accounts.no_account, name="no_account"),
    path("sign-in/", views.SignIn.as_view(), name="login"),
    path("sign-out/", auth.LogoutView.as_view(), name="logout"),
    path("password/", auth.PasswordChangeView.as_view(), name="password_change"),
    path("password/done/", auth.PasswordChangeDoneView.as_view(), name="password_change_done"),
    path("password/reset/", auth.PasswordResetView.as_view(), name="password_reset"),
    path("password/reset/sent/", auth.PasswordResetDoneView.as_view(), name="password_reset_done"),
    path(
        "password/reset/<uidb64>/<token>/",
        auth.PasswordResetConfirmView.as_view(),
        name="password_reset_confirm",
    ),
    path("password/reset/done/", auth.PasswordResetCompleteView.as_view(), name="password_reset_complete"),
    path("language/", set_language, name="set_language"),
    path("theme/", views.theme, name="theme"),
    path("favicon.ico", views.favicon, name="favicon"),
    path("healthz", views.healthz, name="healthz"),
    path("administration/", admin.site.urls),
]

handler400 = views.bad_request
