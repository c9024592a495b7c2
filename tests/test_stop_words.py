"""What counts as a request for no more messages, and what only looks like one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbox.optout import LONGEST, is_stop

FRENCH = """
STOP
Stop
stop.
Stop !
STOP merci
stop svp
Stop s'il vous plaît
STOP SMS
STOP PUB
stop pub merci
STOP au 36111
stop 36111
STOP:36111
Stop36111
36111 STOP
« STOP »
"stop"
STOP STOP STOP
S T O P
S.T.O.P.
Stooop
ARRET
arrêt
Arrêt.
ARRÊT SMS
Arrêtez
Arrêtez merci
Arrêter svp
Arrêtez de m'envoyer des SMS
arretez vos pubs
Arrêtez de m'envoyer des messages svp
Bonjour, arrêtez de m'envoyer des messages, merci.
Je veux arrêter de recevoir vos SMS
Désabonnement
Désabonnez-moi
je souhaite me désabonner
Je veux me desabonner de votre liste
Désinscription
désinscrivez-moi svp
Veuillez me désinscrire
Supprimez-moi de votre liste
Veuillez me retirer de vos fichiers
Retirez mon numéro de votre liste
Enlevez-moi de la liste
Ne m'envoyez plus de messages
Ne m'envoyez plus de SMS svp
Merci de ne plus m'envoyer de messages
Ne plus me contacter
Je ne veux plus recevoir vos sms
je ne souhaite plus recevoir de publicité
Plus de pub svp
plus jamais de sms merci
STOP Jean Dupont
STOP M. Martin
Stop !!!!!!
STOP 🛑
🛑 STOP 🛑
stop

Envoyé de mon iPhone
Bonjour STOP
Bonjour, stop merci, bonne journée
STOP STP
Je demande l'arrêt des SMS
Cessez ces messages
FIN
Stop demarchage
Stop spam
STOP à vos messages
Stop à la publicité
stop tout
Stop merci de votre compréhension
STOP svp je ne veux plus de messages
Je ne désire plus recevoir de sms de votre part
Supprimez mon numéro de votre base de données
Ne m'envoyez plus rien
Je ne veux plus rien recevoir
ok stop
Non merci, stop
Ça suffit, stop !
Pouvez-vous me désinscrire ?
Pouvez-vous ne plus m'envoyer de SMS ?
Pourriez-vous arrêter svp ?
"""
ENGLISH = """
STOP ALL
STOPALL
Stop please
please stop
Please stop.
stop it please
STOP now
Stop, thank you
stop texting me
Please stop texting me
Stop sending me messages
stop sending me texts please
Hi, please stop messaging me
UNSUBSCRIBE
unsubscribe me
Please unsubscribe me from this list
I want to unsubscribe
Unsub
Remove me from your list
please remove me
remove my number from your list
Opt out
OPT-OUT
optout please
END
Quit
cancel
Revoke
Do not text me
don't text me again
Please do not send me any more messages
Never contact me again
No more messages
no more texts please
stop

Sent from my iPhone
I would like to opt out
ＳＴＯＰ
unsuscribe
Please take me off your list
I no longer want to receive messages
I don't want to receive these messages
Do not contact me anymore
"""
TRAPS = """
Ne vous arrêtez pas
ne vous arretez pas !
Surtout n'arrêtez pas de m'envoyer vos offres
N'arrêtez pas
stopover
Je suis à l'arrêt de bus
On se voit à l'arrêt du tram
arrêt maladie jusqu'à lundi
Je suis en arrêt maladie
Le bus stop est où ?
Non stop
Vous êtes ouverts non-stop ?
Je m'arrête chez vous demain
Le train s'arrête à Lyon
Il faut que j'arrête de fumer
Arrête tes bêtises
arrête de me faire rire
Stop ou encore ?
on fait du stop demain
J'ai fait un stop à Paris
Stop au feu rouge puis à gauche
Le panneau stop est tombé
Merci, je passe demain
Oui
NON
Non merci
D'accord, à demain
Je ne peux pas venir
Pouvez-vous supprimer mon rendez-vous ?
Supprimez ma commande
Retirez ma commande svp
Je voudrais retirer mon colis
Je viens retirer mon colis demain
Enlevez les oignons svp
Annulez mon rendez-vous
annuler
Je veux plus de messages
Je veux plus de détails
Plus de détails svp
envoyez plus de messages
Vous pouvez m'envoyer plus d'offres
Ne m'appelez pas, envoyez un SMS
Je ne reçois pas vos SMS
Je ne reçois plus vos SMS, pourquoi ?
Je n'ai pas reçu le message
Pas de problème
La fin du match est à 22h
C'est la fin
Fin de semaine parfaite
Rendez-vous confirmé
stp
stp rappelez-moi
top
Top !
Au top
sop
Autostop
La résiliation de mon contrat prend effet quand ?
Ma boutique STOP PUB est ouverte lundi prochain à dix heures, venez nombreux
Cessez-le-feu
Effacez le tableau
J'efface tout et je recommence
Quel est le numéro du service ?
Bonjour
Merci
36111
Désinscription de mon fils de la cantine
Où en est mon abonnement ?
Mon abonnement svp
Le désabonnement ne marche pas
Je ne veux pas me désabonner
Je ne veux pas arrêter
STOP ET FIN
Je ne veux plus stopper la voiture
Stop de vendre votre maison
Merci d'avance pour les messages
STOP A LA GUERRE EN UKRAINE ET AILLEURS
À l'arrêt
Plus de SMS ?
Vous ne m'envoyez plus de messages ?
Je ne veux rien de plus
Vous pouvez vous arrêter
Vous pouvez retirer le message
"""
ENGLISH_TRAPS = """
Don't stop
Do not stop
Don't stop sending me messages
Please don't stop
never stop
I can't stop laughing
Can you stop by tomorrow?
Stop by tomorrow
STOP BY TOMORROW
Stop over in Lyon
I'll stop at the shop
Where is the bus stop?
full stop
Stop and Shop is closed
one-stop shop
Stop, look and listen before you cross
stop worrying about it
The end
This is the end
Week-end
Cancel my appointment
Please cancel my order
I quit my job
Can I cancel?
remove the onions
Remove it from the fridge
The remove button is broken
I did not get your message
I got no message
No message received
Do you have a list?
Please text me
text me the address
send me more messages
I want more messages
I want to receive your messages
Yes
OK
Thanks
See you at the end of the week
The unsubscribe link is broken
How do I unsubscribe?
nonstop
stopwatch
stopped
It stopped raining
Stopping by later
quitting time
Endless
Why did you not text me?
No message from you
I don't receive your messages
I no longer get your messages
Take it off the list
Take me off to Lyon
Not now, text me later
"""


def _lines(text: str) -> list[str]:
    return text.strip().split("\n")


# Two requests have a signature behind an empty line; they are written out.
def _requests(text: str) -> list[str]:
    found: list[str] = []
    for line in text.strip().split("\n"):
        if line.startswith(("Envoyé de", "Sent from")):
            found[-2:] = [f"{found[-2]}\n\n{line}"]
        else:
            found.append(line)
    return found


REQUESTS = _requests(FRENCH) + _requests(ENGLISH)
NO_REQUESTS = _lines(TRAPS) + _lines(ENGLISH_TRAPS)


def test_there_are_two_hundred_texts_and_half_of_them_are_traps() -> None:
    assert len(set(REQUESTS)) >= 100
    assert len(set(NO_REQUESTS)) >= 100


@pytest.mark.parametrize("text", REQUESTS)
def test_a_request_for_no_more_messages_is_understood(text: str) -> None:
    assert is_stop(text)


@pytest.mark.parametrize("text", NO_REQUESTS)
def test_a_text_that_only_looks_like_one_is_left_alone(text: str) -> None:
    assert not is_stop(text)


@pytest.mark.parametrize("text", ["", " ", "\n", ".", "🙂", "\0", "\ud800", "12345"])
def test_a_text_without_words_asks_for_nothing(text: str) -> None:
    assert not is_stop(text)


@given(
    st.sampled_from(["stop", "arrêt", "désabonnement", "unsubscribe"]),
    st.text(alphabet=" .,;:!?\n\t«»\"'()…-*\u00a0\u202f\u200b", max_size=12),
    st.text(alphabet=" .,;:!?\n\t«»\"'()…-*\u00a0\u202f\u200b", max_size=12),
    st.lists(st.booleans(), min_size=20, max_size=20),
)
def test_case_and_punctuation_around_a_keyword_change_nothing(
    keyword: str, before: str, after: str, capitals: list[bool]
) -> None:
    drawn = "".join(one.upper() if up else one for one, up in zip(keyword, capitals, strict=False))
    assert is_stop(before + drawn + after)


@given(st.text(max_size=200))
def test_no_text_is_too_strange(text: str) -> None:
    assert is_stop(text) in (True, False)


def test_an_installation_adds_words_of_its_own(settings: Any) -> None:
    assert not is_stop("BASTA")
    settings.SMS_STOP_WORDS = ["basta", "Ça suffit"]
    assert is_stop("Basta !")
    assert is_stop("Ça   suffit, merci")
    assert not is_stop("Ça ira")


def test_only_the_beginning_of_a_letter_is_looked_at() -> None:
    assert is_stop("STOP" + "\n" * LONGEST + "see you tomorrow")
    assert not is_stop("\n" * LONGEST + "STOP")
