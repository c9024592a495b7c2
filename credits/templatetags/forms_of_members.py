"""`{% csrf_token %}` as every template of this installation has it: with the account that the page is made in.

It takes the place of Django's tag of this name (settings, TEMPLATES): a form that says nothing of its account would
have no token either, and cannot be posted at all.
"""

from django import template
from django.template.base import Parser, Token
from django.template.context import Context
from django.template.defaulttags import CsrfTokenNode
from django.utils.html import format_html

from credits.made_in import FIELD

register = template.Library()


class FormTokens(CsrfTokenNode):
    """Django's field with the token, and beside it, on the page of a member, the one with the account."""

    def render(self, context: Context) -> str:
        """The hidden fields."""
        token: str = super().render(context)
        member = getattr(context.get("frame"), "member", None)
        if not token or member is None:
            return token
        return token + format_html('<input type="hidden" name="{}" value="{}">', FIELD, str(member.account_id))


@register.tag
def csrf_token(parser: Parser, token: Token) -> FormTokens:
    """`{% csrf_token %}`: what every form that is posted carries."""
    return FormTokens()
