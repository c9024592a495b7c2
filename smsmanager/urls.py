"""The addresses of the whole, and what the ledger's kinds of cause mean."""

from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import URLPattern, URLResolver, path, re_path
from django.views.i18n import set_language

from compose import doubt_views as doubts
from compose import optout_views as stop_list
from compose import recipient_views
from compose import scheduled_views as waiting
from compose import sending_views as sending
from compose import views as compose
from credits import payment_views, rate_views, top_up_views
from credits import statement_views as statements
from credits import views as accounts
from inbox import conversation_views as conversations
from inbox import door_views, reaction_views
from inbox import views as inbox
from senders import views as senders
from smsmanager import views, watch_views

urlpatterns: list[URLPattern | URLResolver] = [
    path("", sending.compose, name="compose"),
    path("quote/", sending.quote, name="quote"),
    path("numbers/", recipient_views.numbers, name="numbers"),
    path("sent/", compose.sent, name="sent"),
    path("sent/unconfirmed/", doubts.unconfirmed_messages, name="unconfirmed"),
    path("sent/unconfirmed/decide/", doubts.decide_chosen, name="decide_chosen"),
    path("sent/<int:pk>/", compose.message, name="message"),
    re_path(r"^sent/(?P<pk>\d{1,18})/decide/$", doubts.decide_message, name="decide_message"),
    re_path(r"^sent/submission/(?P<pk>\d{1,18})/decide/$", doubts.decide_submission, name="decide_submission"),
    path("sent/submission/<int:pk>/", compose.submission, name="submission"),
    path("sent/submission/<int:pk>/edit/", sending.edit, name="edit_submission"),
    path("sent/submission/<int:pk>/move/", waiting.move_submission, name="move_submission"),
    path("sent/submission/<int:pk>/pause/", waiting.pause_submission, name="pause_submission"),
    path("sent/submission/<int:pk>/resume/", waiting.resume_submission, name="resume_submission"),
    path("sent/submission/<int:pk>/cancel/", compose.cancel_submission, name="cancel_submission"),
    path("scheduled/", compose.scheduled, name="scheduled"),
    path("scheduled/<int:pk>/move/", waiting.move_message, name="move_message"),
    path("scheduled/<int:pk>/cancel/", compose.cancel_message, name="cancel_message"),
    path("received/", inbox.received, name="received"),
    path("received/change/", inbox.received_change, name="received_change"),
    path("received/export.csv", inbox.received_export, name="received_export"),
    path("received/<int:pk>/", conversations.conversation, name="conversation"),
    path("received/<int:pk>/quote/", conversations.reply_quote, name="reply_quote"),
    path("stop-list/", stop_list.optouts, name="optouts"),
    path("stop-list/add/", stop_list.optout_add, name="optout_add"),
    path("stop-list/download/", stop_list.optout_export, name="optout_export"),
    path("stop-list/<int:pk>/take-off/", stop_list.optout_take_off, name="optout_take_off"),
    path("senders/", senders.senders, name="senders"),
    path("senders/new/", senders.sender_request, name="sender_request"),
    re_path(r"^senders/documents/(?P<pk>\d{1,18})/$", senders.sender_document, name="sender_document"),
    re_path(
        r"^senders/(?P<pk>\d{1,18})/(?P<verb>enable|disable|delete)/$",
        senders.sender_switch,
        name="sender_switch",
    ),
    path("credits/", statements.credits_page, name="credits"),
    path("credits/statement.csv", statements.statement_file, name="statement_file"),
    path("credits/rates/", rate_views.rates_page, name="rates"),
    path("credits/add/", top_up_views.top_up, name="top_up"),
    re_path(r"^credits/orders/(?P<pk>\d{1,18})/cancel/$", top_up_views.cancel_order, name="cancel_order"),
    re_path(r"^credits/orders/(?P<pk>\d{1,18})/pay/$", top_up_views.pay_order, name="pay_order"),
    path("payments/", payment_views.paid, name="payments"),
    path("gateways/<slug:name>/", door_views.door, name="gateway_door"),
    path("gateways/<slug:name>/<path:what>", door_views.door, name="gateway_door_of"),
    path("account/", accounts.switch_account, name="switch_account"),
    path("account/me/", accounts.profile, name="profile"),
    path("account/settings/", accounts.account_settings, name="account_settings"),
    path("account/reactions/", reaction_views.reactions, name="reactions"),
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
    path("readyz", watch_views.readyz, name="readyz"),
    path("metrics", watch_views.metrics_page, name="metrics"),
    path("administration/", admin.site.urls),
]

handler400 = views.bad_request
