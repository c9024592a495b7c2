"""Whether somebody who answers wants no more messages: STOP, in French and English.

Both mistakes cost: a STOP that is not understood is a message against the law, and one that is seen where none was
meant silences a customer. So a keyword alone is not enough, and a text need not be the keyword alone: it counts when
it has a word that asks for an end and, around it, nothing but words that go with such a request ("STOP merci",
"arrêtez de m'envoyer vos pubs"). A word that nobody expects there ("le bus stop est où ?") or a negation ("ne vous
arrêtez pas") says that the text is about something else.

The words that an SMS must understand are those of the French operators' charter (STOP) and of the CTIA's
Messaging Principles (STOP, STOPALL, UNSUBSCRIBE, CANCEL, END, QUIT, REVOKE, OPTOUT).
"""

import re
import unicodedata
from typing import Final

from django.conf import settings

from compose.accents import composed

# Longer texts are letters to somebody; only their beginning can be a request.
LONGEST: Final = 2000
MOST_WORDS: Final = 30


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Ask for an end wherever they stand among words of COMPANY.
KEYWORDS: Final = _words("""
    stop stopp stopper stopez stoppez stopall stoppub stopsms
    arret arrets arrete arretes arretez arreter
    desabonner desabonnez desabonne desabonnement desinscrire desinscrivez desinscription desinscris desinscrit
    cesser cessez supprimer supprimez retirer retirez enlever enlevez effacer effacez
    unsubscribe unsubscribed unsuscribe unsub optout remove revoke
    """)
# Ask for an end only when they are all that is said: each has a life of its own.
ALONE: Final = _words("end quit cancel fin resilier resiliation")
# These need something to end or to leave behind them: alone they are about anything.
NEED_OBJECT: Final = _words("""
    supprimer supprimez retirer retirez enlever enlevez effacer effacez remove cesser cessez arretes
    """)
OBJECTS: Final = _words("""
    pub pubs publicite publicites sms smss texto textos message messages mail mails promo promos promotion promotions
    offre offres demarchage harcelement spam spams liste listes fichier fichiers base numero abonnement envoi envois
    newsletter contact contacts contacter envoyer deranger
    text texts texting list lists database number contacting sending mailing advert adverts ads ad marketing
    """)
# Goes with a request and changes nothing about it.
COMPANY: Final = OBJECTS | _words("""
    a au aux cet cette ces ca ce cela c d de des du l la le les vos votre ton tes son ses toute toutes tout tous mon ma
    mes m me moi j je te t en y et par pour sur dans car
    veux veut voudrais voudrai souhaite souhaiterais desire demande aimerais veuillez merci mercii svp stp plait plais s
    il vous plz pls please thanks thank you thx ty bonjour bonsoir salut monsieur madame messieurs mesdames hello hi
    hey cordialement salutations bonne journee immediatement maintenant definitivement desormais urgent vite encore
    fois dernier rappel commercial commerciale commerciaux commerciales recevoir reception etre est
    publicitaire publicitaires service services comprehension avance part donnees
    i want would like to wish be my me it this that these those your from off out of the all any more now immediately
    receiving getting messaging us for good at once again anymore
    ok okay suffit assez
    """)
# Without a negation these ask for the contrary; "plus" and "pas" behind them make the request.
SENDING: Final = _words("""
    envoyez envoyer envoie envoies contactez contacter contacte ecrivez ecrire derangez deranger recevoir veux souhaite
    """)
NO_MORE: Final = _words("plus jamais")

SIGNATURE: Final = re.compile(r"\n\s*(?:envoye de mon|envoye depuis|sent from my|get outlook)\b.*\Z", re.DOTALL)
SPELLED: Final = re.compile(r"\bs(?:[\s._*-]+t)(?:[\s._*-]+o)(?:[\s._*-]+p)\b")
STRETCHED: Final = re.compile(r"\bs+t+[o0]+p+\b")
# "stop36111", "36111stop": the number of the clause, glued.
GLUED: Final = re.compile(r"\bstop(?=\d)|(?<=\d)stop\b")
# "Pouvez-vous me désinscrire ?" asks for it, "vous pouvez" does not; "non merci" goes before anything.
ASKED: Final = re.compile(r"\b(?:pouvez|pourriez)-vous\b|\A\W*(?:pouvez|pourriez) vous\b")
DECLINED: Final = re.compile(r"\A\W*non\W+merci\b")
WORD: Final = re.compile(r"[a-z]+|\d+|[^\W\d_]+")
# A keyword in capitals before a few words that nobody can foresee, such as a name: "STOP Jean Dupont".
SHOUTED: Final = re.compile(r"\W*(?:STOP|ARR[EÊ]T)\b(?P<rest>.*)", re.DOTALL)
# What shows that such a text goes on as a sentence, or names a place.
GOES_ON: Final = _words("""
    by over at in on the a an and or if when talking ou et au aux si quand est de du des le la les covid war bus n non
    ne pas no not don dont never there here being worrying
    """)
MOST_UNFORESEEN: Final = 3
POLITE: Final = _words("please pls plz hi hello hey i")


def is_stop(text: str) -> bool:
    """Whether `text`, as somebody sent it, asks for no more messages; in time that grows with the text."""
    words = WORD.findall(_with_own_words_as_stop(_plain(text)))
    if not 0 < len(words) <= MOST_WORDS:
        return False
    said = [word for word in words if not word.isdecimal()]
    if len(said) == 1 and said[0] in ALONE:
        return True
    return _asks(said) or (_forbids(said) and not _wonders(said, text)) or _shouts(text)


def _plain(text: str) -> str:
    """The text in small letters without accents, with STOP as one word however it is drawn out."""
    compatible = unicodedata.normalize("NFKD", composed(text[:LONGEST]))
    letters = "".join(one for one in compatible if not unicodedata.combining(one) and unicodedata.category(one) != "Cf")
    plain = SIGNATURE.sub("", letters.casefold())
    plain = STRETCHED.sub("stop", SPELLED.sub("stop", plain))
    plain = ASKED.sub("veuillez", DECLINED.sub("", plain))
    return GLUED.sub(" stop ", plain).replace("opt out", "optout").replace("opt-out", "optout")


def _with_own_words_as_stop(plain: str) -> str:
    """The text with "stop" for each word or phrase that the installation added."""
    for extra in settings.SMS_STOP_WORDS:
        phrase = r"\W+".join(re.escape(word) for word in WORD.findall(_plain(extra)))
        plain = re.sub(rf"\b{phrase}\b", "stop", plain) if phrase else plain
    return plain


def _asks(said: list[str]) -> bool:
    """A keyword among words that go with it, and what it is about where the keyword alone says too little."""
    asking = [word for word in said if word in KEYWORDS]
    if not asking or any(word not in COMPANY and word not in KEYWORDS for word in said):
        return False
    if said[:3] == ["a", "l", "arret"]:
        # A place, or a machine that does not run.
        return False
    if all(word in NEED_OBJECT for word in asking):
        return any(word in OBJECTS or word in {"me", "m", "moi"} for word in said)
    return True


def _forbids(said: list[str]) -> bool:
    """ "Ne m'envoyez plus de messages", "plus de pub merci", "do not text me", "no more messages"."""
    about = any(word in OBJECTS for word in said)
    rest = set(said) - COMPANY - SENDING
    # "STOP, je ne veux plus de messages" says it twice.
    french = {"ne", "n", "plus", "jamais", "pas", "stop", "arret"}
    if set(said) & {"envoyez", "envoyer", "recevoir"}:
        # "Ne m'envoyez plus rien", but not "je ne veux rien de plus".
        rest -= {"rien"}
    if rest <= french and set(said) & NO_MORE and (about or set(said) & SENDING):
        # "Je veux plus de messages" asks for more, or for none: what nobody can tell is no request.
        return bool(rest & {"ne", "n"}) or said[0] in NO_MORE
    english = _words("do don dont t not never no contact send message")
    if set(said) & {"want", "wish"}:
        # "I don't receive your messages" complains, "I don't want to receive them" asks.
        rest -= {"receive", "get", "longer"}
    if rest == {"no"} and not set(said) & {"more", "longer", *POLITE}:
        # "No message from you" tells something.
        return False
    if set(said) >= {"me", "off"} and rest == {"take"}:
        return "list" in said
    return about and rest <= english and bool(rest & {"not", "never", "no", "don", "dont"}) and _first_is(said, english)


def _wonders(said: list[str], text: str) -> bool:
    """ "Vous ne m'envoyez plus de messages ?", but not "Pouvez-vous ne plus m'envoyer de messages ?"."""
    return text.rstrip().endswith("?") and not set(said) & {"veuillez", "please", "merci"}


def _first_is(said: list[str], words: frozenset[str]) -> bool:
    return next((word for word in said if word not in POLITE), "") in words


def _shouts(text: str) -> bool:
    found = SHOUTED.fullmatch(text[:LONGEST])
    if found is None:
        return False
    rest = [word for word in WORD.findall(_plain(found["rest"])) if not word.isdecimal()]
    return len(rest) <= MOST_UNFORESEEN and not any(word in GOES_ON for word in rest)
