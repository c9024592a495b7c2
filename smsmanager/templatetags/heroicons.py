"""The tags of the package `heroicons`, each icon drawn once and kept: a page shows two dozen of the same few."""

from functools import lru_cache

from django import template
from heroicons.templatetags import heroicons

register = template.Library()

for _draw in (heroicons.heroicon_micro, heroicons.heroicon_mini, heroicons.heroicon_outline, heroicons.heroicon_solid):
    register.simple_tag(lru_cache(maxsize=256)(_draw), name=_draw.__name__)
