"""Small pages of the whole: the sign-in, the theme, the health check, and the page of what could not be read."""

from typing import Any

from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from compose import carried_over
from credits import access, made_in
from smsmanager.context import THEME_COOKIE, THEMES

A_YEAR = 365 * 24 * 3600


class SignIn(LoginView):
    """The sign-in page. Whoever is signed in already is sent on, to the first page when asked back to here."""

    redirect_authenticated_user = True

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Sign in; or show the page to who comes here with a message, because the session had ended."""
        if self._arrives():
            return self.get(request, *args, **kwargs)
        return super().post(request, *args, **kwargs)

    def get_form(self, form_class: Any = None) -> Any:
        """An empty form where nobody has tried to sign in yet."""
        if self._arrives():
            return self.get_form_class()(self.request)
        return super().get_form(form_class)

    def _arrives(self) -> bool:
        """Whether this is a message, posted on to here, and no attempt to sign in."""
        return "username" not in self.request.POST and bool(carried_over.carried(self.request.POST))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """With the message that goes along."""
        return super().get_context_data(**kwargs, message=carried_over.carried(self.request.POST))

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Signed in, to the account that the person worked in; the message waits for the compose page."""
        answer = super().form_valid(form)
        message = carried_over.carried(self.request.POST)
        access.come_back(self.request, answer, message.get(made_in.FIELD, ""))
        if message:
            carried_over.put_down(self.request.session, message)
        return answer

    def get_redirect_url(self, request: HttpRequest | None = None) -> str:
        """Where the address asks to go; nowhere when that is this page itself, which would never end."""
        asked: str = super().get_redirect_url()
        return "" if asked.partition("?")[0] == self.request.path else asked


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The page for a request that could not be read.

    Django's own asks for the form's token, and so reads again what has just proved to be unreadable.
    """
    return HttpResponseBadRequest(render_to_string("400.html"))


@require_safe
def favicon(request: HttpRequest) -> HttpResponse:
    """The icon for who asks at the customary address: pages that are not ours to write name none."""
    return HttpResponseRedirect(static("img/favicon.svg"))


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Remember whether the person wants light, dark, or what the device says, and go back."""
    back = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure()):
        back = "/"
    response = HttpResponseRedirect(back)
    chosen = request.POST.get("theme")
    if chosen in THEMES:
        response.set_cookie(
            THEME_COOKIE, chosen, max_age=A_YEAR, samesite="Lax", httponly=True, secure=request.is_secure()
        )
    return response


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """That the web process is alive; it asks nothing of the database."""
    return HttpResponse("alive\n", content_type="text/plain")
