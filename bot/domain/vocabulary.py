"""The words that patients type, in every language at all times. Written plain: lower case, without accents.

A phrase is looked up after the fillers were dropped from what was typed, and from the phrase itself.
"""

from __future__ import annotations

from enum import StrEnum

from bot.domain.values import Language


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


class IntentKind(StrEnum):
    """What a message asks for."""

    SHOW = "show"
    MORE = "more"
    DATA = "data"
    CONFIRM = "confirm"
    CANCEL = "cancel"
    KEEP = "keep"
    MOVE = "move"
    CHANGE_PIN = "change_pin"
    FORGOT_PIN = "forgot_pin"
    LANGUAGE = "language"
    LANGUAGE_ASK = "language_ask"
    TIMES_ASK = "times_ask"
    TIMES_USUAL = "times_usual"
    TIMES_PRIVATE = "times_private"
    TIMES_CONSTANT = "times_constant"
    DAYS = "days"
    DAYS_USUAL = "days_usual"
    LAST_KEPT = "last_kept"
    LAST_DECLINED = "last_declined"
    TELEGRAM = "telegram"
    TELEGRAM_BOTH = "telegram_both"
    TELEGRAM_ONLY = "telegram_only"
    TELEGRAM_HERE = "telegram_here"
    TELEGRAM_OFF = "telegram_off"
    STOP = "stop"
    START = "start"
    LEAVE = "leave"
    HELP = "help"
    YES = "yes"
    NO = "no"
    HELLO = "hello"
    THANKS = "thanks"
    CODE = "code"
    CODE_TYPO = "code_typo"
    DIGITS = "digits"
    DIGITS_ODD = "digits_odd"
    NUMBER = "number"
    NOT_TEXT = "not_text"
    OTHER = "other"


# Words that change nothing. None of them negates, none is a command or an answer.
FILLERS = _set(
    """
    svp stp s il te vous plait please pls merci thanks thank you bonjour bonsoir salut hello hi
    madame monsieur je j moi me m mon ma mes nous notre nos veux voudrais souhaite souhaiterais
    aimerais desire peux puis pourrais pourriez pouvez peut on le la les l un une des du ce cet
    cette pour for numero num nr rendez rdv rv rendezvous i id d ll we would like want wish to can
    could may my our the a an this that appointment appointments appt one donc alors bien beaucoup
    docteur doctor dr much very so
    """
)

HELLO_WORDS = _set(
    """
    bonjour bonsoir salut coucou hello hi hey
    """
)
THANKS_WORDS = _set(
    """
    merci thanks thank thx
    """
)
NEGATIONS = _set(
    """
    ne n pas plus jamais sans non not never dont cannot cant no
    """
)

ORDINALS = {
    **dict.fromkeys(_set("1er 1re 1ere premier premiere first 1st"), 1),
    **dict.fromkeys(_set("2e 2eme 2nd 2nde deux deuxieme second seconde two"), 2),
    **dict.fromkeys(_set("3e 3eme 3rd trois troisieme three third"), 3),
    **dict.fromkeys(_set("4e 4eme 4th quatre quatrieme four fourth"), 4),
    **dict.fromkeys(_set("5e 5eme 5th cinq cinquieme five fifth"), 5),
}

# After a command that asks before it acts, these words only say which appointment is meant.
DATE_WORDS = _set(
    """
    lundi mardi mercredi jeudi vendredi samedi dimanche monday tuesday wednesday thursday friday
    saturday sunday janvier fevrier mars avril mai juin juillet aout septembre octobre novembre
    decembre january february march april may june july august september october november december
    de du d a au chez avec docteur dr heure heures h matin midi apres soir demain prochain prochaine
    celui of on at with doctor am pm morning afternoon evening tomorrow next o clock
    """
)
MONTHS_AND_HOURS = _set(
    """
    janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre january
    february march april may june july august september october november december h heure heures am
    pm oclock jour jours day days semaine semaines week weeks mois month months
    """
)

CANCEL_VERBS = _set(
    """
    annuler annule annulez annulons annulation anuler anule annuller annul cancel cancell cancels
    cancellation canceled cancelled
    """
)
MOVE_VERBS = _set(
    """
    deplacer deplace deplacez depalcer deplasser deplacement decaler decale decalez reporter reporte
    reportez report move moving reschedule rescheduling postpone
    """
)

LANGUAGE_NAMES = {
    **dict.fromkeys(_set("francais francaise french fr"), Language.FR),
    **dict.fromkeys(_set("anglais anglaise english en"), Language.EN),
}

PHRASES: dict[IntentKind, str] = {
    IntentKind.SHOW: """
        rdv, rv, voir, vois, voire, voit, montrer, montre, montrez, afficher, affiche, affichez, lire,
        consulter, consulte, liste, la liste, voir la liste, message, voir message, voir les messages,
        lire message, lire le message, rendez vous, mes rendez vous, voir rendez vous, mon rendez vous,
        quand, c est quand, quel jour, quelle heure, a quelle heure, quand est, prochain, prochains,
        voir tout, voir tous, tout voir, details, detail, voir details,
        voir les details, ouvrir, ouvre, ouvrez, show, view, see, display, read, list, open, show me,
        show list, show all, see all, when, when is it, when is, what time, what day, appointment,
        appointments, my appointments,
        show details, read message, read messages, show messages
    """,
    IntentKind.MORE: """
        suite, la suite, plus, encore, voir plus, voir la suite, suivant, suivants, voir les suivants,
        les autres, autres, voir les autres, reste, le reste, voir le reste, more, next, show more,
        see more, the rest, rest
    """,
    IntentKind.DATA: """
        mes donnees, donnees, donnees personnelles, mes donnees personnelles, voir mes donnees,
        montrer mes donnees, afficher mes donnees, toutes mes donnees, consulter mes donnees,
        que savez vous, que savez vous de moi, que gardez vous, que gardez vous de moi, journal,
        mon journal, le journal, my data, data, personal data, my personal data, show my data,
        see my data, view my data, show data, all my data, what do you know, what do you know about me,
        what do you keep, what do you keep about me, my log, log, the log
    """,
    IntentKind.CONFIRM: """
        confirmer, confirme, confirmez, confirmation, confirmes, confimer, confirmer rendez vous,
        comfirmer, je viens, je viendrai, je serai la, j y serai, present, presente, je serai present,
        je serai presente, confirm, confirmed, confirms, confirming, i will come, i will be there,
        i am coming, i m coming, attending
    """,
    IntentKind.CANCEL: """
        je ne viens pas, je viens pas, je ne viendrai pas, je ne peux pas venir, je peux pas venir,
        je ne pourrai pas venir, je ne serai pas la, i can t come, i cannot come, i will not come,
        i won t come, i am not coming, i m not coming
    """,
    IntentKind.KEEP: """
        garder, garde, gardez, conserver, conserve, maintenir, maintiens, maintenez, retablir,
        retablissez, ne pas annuler, n annulez pas, n annule pas, je n annule pas, ne plus annuler,
        finalement je viens, keep, keep it, restore, do not cancel, don t cancel, undo
    """,
    IntentKind.CHANGE_PIN: """
        code, pin, mon code, code pin, code secret, mot de passe, changer code, changer le code,
        changer de code, changer pin, changer le pin, changer mon code secret, changer code secret,
        changer de code secret, changer code pin, changer de code pin, changer mot de passe,
        nouveau code, nouveau pin, nouveau code secret, modifier code, modifier pin,
        modifier code secret, changement code, changement de code, change code, change pin,
        change my pin, change secret number, change password, new code, new pin, password, pin code,
        secret number, change secret code, secret code, change pin code, change my secret number
    """,
    IntentKind.FORGOT_PIN: """
        code oublie, pin oublie, oublie, code secret oublie, j ai oublie, j ai oublie mon code,
        oublie mon code, j ai oublie mon code secret, j ai oublie le code, j ai oublie mon pin,
        code perdu, j ai perdu mon code, j ai perdu mon code secret, perdu mon code,
        je ne connais pas mon code, je ne sais plus mon code, je ne me souviens plus de mon code,
        mot de passe oublie, je n ai pas de code, je ne connais plus mon code, forgot, forgotten,
        i forgot, forgot pin, forgot code, forgot my code, i forgot my pin, i forgot my code,
        forgot my secret number, i forgot my secret number, forgot secret number, lost pin, lost code,
        i lost my code, forgotten pin, forgotten code, i don t know my code, i have forgotten my code,
        i don t remember my code
    """,
    IntentKind.LANGUAGE_ASK: """
        langue, changer langue, changer de langue, changer la langue, langues, autre langue,
        quelle langue, language, languages, change language, other language
    """,
    IntentKind.TIMES_ASK: """
        discretion, discret, discrete, rythme, frequence, changer rythme, changer la discretion, moments,
        moments des messages, quand ecrivez vous, discreet, rhythm, frequency, change rhythm, times, change times,
        when do you write, when do messages come
    """,
    IntentKind.TIMES_USUAL: """
        discretion normale, discretion normal, discretion habituelle, rythme normal, rythme habituel, normal discretion,
        discretion usual, usual discretion, usual rhythm
    """,
    IntentKind.TIMES_PRIVATE: """
        discretion forte, discretion fort, forte discretion, plus de discretion, plus discret, discretion high,
        high discretion, more discretion, more discreet
    """,
    IntentKind.TIMES_CONSTANT: """
        discretion totale, discretion total, totale discretion, discretion maximale, discretion full, full discretion,
        discretion maximum, maximum discretion
    """,
    IntentKind.DAYS_USUAL: """
        jours habituels, jours normaux, discretion jours habituels, jours du cabinet, usual days, normal days,
        discretion usual days
    """,
    IntentKind.LAST_DECLINED: """
        sans dernier rappel, pas de dernier rappel, plus de dernier rappel, no last reminder, without last reminder
    """,
    IntentKind.LAST_KEPT: """
        avec dernier rappel, dernier rappel, garder dernier rappel, with last reminder, last reminder,
        keep last reminder
    """,
    IntentKind.TELEGRAM: """
        telegram, telegramme, telegrame, telegramm, telegran, telegam, relier telegram, lier telegram,
        connecter telegram, activer telegram, ajouter telegram, utiliser telegram, avec telegram, sur telegram,
        par telegram, telegram oui, telegram on, telegram yes, changer telegram, link telegram, connect telegram,
        add telegram, use telegram, with telegram, on telegram, by telegram, via telegram, change telegram,
        messages sur telegram, messages on telegram
    """,
    IntentKind.TELEGRAM_BOTH: """
        telegram les deux, les deux telegram, telegram aussi, aussi telegram, ici et telegram,
        telegram et ici, ici et sur telegram, sur telegram et ici, telegram et matrix, matrix et telegram,
        telegram both, both telegram, telegram too, telegram also, here and telegram, here and on telegram,
        telegram and here, on telegram and here, telegram and matrix, matrix and telegram
    """,
    IntentKind.TELEGRAM_ONLY: """
        telegram seul, telegram seule, telegram seulement, telegram uniquement, seulement telegram, uniquement telegram,
        seulement sur telegram, uniquement sur telegram, sur telegram seulement, que telegram, que sur telegram,
        telegram only, only telegram, only on telegram, on telegram only, just telegram, telegram alone
    """,
    IntentKind.TELEGRAM_HERE: """
        telegram ici, ici seulement, seulement ici, uniquement ici, ici uniquement, telegram ici seulement,
        telegram matrix, matrix, matrix seul, matrix seulement, telegram here, here only, only here, just here,
        telegram here only, matrix only, only matrix
    """,
    IntentKind.TELEGRAM_OFF: """
        telegram non, telegram off, telegram no, telegram stop, telegram arret, telegram arreter, stop telegram,
        arreter telegram, arrete telegram, arretez telegram, plus de telegram, plus telegram, pas de telegram,
        pas telegram, sans telegram, supprimer telegram, enlever telegram, retirer telegram, delier telegram,
        deconnecter telegram, desactiver telegram, couper telegram, quitter telegram, no telegram, no more telegram,
        without telegram, remove telegram, unlink telegram, disconnect telegram, delete telegram, leave telegram,
        not telegram, telegram delete, turn off telegram, turn telegram off
    """,
    IntentKind.STOP: """
        arreter, arrete, arretez, arret, stop, stopper, stoppez, pause, suspendre, suspendez, stop sms,
        arreter les rappels, arretez les rappels, arreter les messages, arretez les messages,
        plus de messages, plus de message, plus de rappels, plus de rappel, stop rappels, stop rappel,
        stop message, stop messages, ne plus recevoir de messages, ne m ecrivez plus, desabonner,
        desabonnement, me desabonner, se desabonner, unsubscribe, stop reminders, stop reminder,
        no more messages, no more reminders, stop nudges, opt out, stop it, stop all, stop tout,
        tout arreter, arreter tout, halt
    """,
    IntentKind.START: """
        reprendre, reprends, reprend, reprenez, reprise, recommencer, recommence, recommencez,
        redemarrer, demarrer, reprendre les rappels, reprendre les messages, reactiver, commencer,
        relancer, start, restart, resume, start again, begin, subscribe, unstop, start reminders,
        resume reminders, go on, start messages, resume messages, continue
    """,
    IntentKind.LEAVE: """
        quitter, quitte, quittez, partir, me desinscrire, desinscrire, desinscription, tout supprimer,
        supprimer mon compte, effacer mon compte, tout effacer, supprimer mes donnees,
        effacer mes donnees, quitter le service, supprimer tout, effacer tout, leave, quit,
        delete everything, delete my account, delete my data, remove me, erase everything,
        erase my data, delete all, sign off
    """,
    IntentKind.HELP: """
        aide, aider, aidez, a l aide, besoin d aide, j ai besoin d aide, comment faire, comment,
        que faire, menu, commandes, mode d emploi, comment ca marche, je ne comprends pas,
        je comprends pas, je n y comprends rien, que dois je faire, que puis je faire, quoi,
        quoi faire, info, infos, information, informations, qui etes, help, help me, i need help,
        need help, how, what can i do, what do i do, commands, how does it work, i do not understand,
        i don t understand, what, options
    """,
    IntentKind.YES: """
        oui, ouai, ouais, ui, o, ok, okay, okey, oki, d accord, dac, entendu, accepte, j accepte,
        accepter, oui j accepte, c est d accord, oui d accord, tout a fait, exact, parfait, volontiers,
        bien sur, oui bien sur, certainement, absolument, ok oui, oui ok, c est bon, c est bien ca,
        valider, je valide, valide, oui c est bon, yes, y, yep, yeah, yup, sure, agreed, agree,
        i agree, accept, i accept, yes i agree, yes i accept, right, of course, yes of course, correct,
        fine, that s right, all right, alright, yes ok, ok yes
    """,
    IntentKind.NO: """
        non, nan, nn, pas d accord, je ne suis pas d accord, je refuse, refuse, refuser, surtout pas,
        non non, pas du tout, je ne veux pas, non je ne veux pas, non je refuse, abandonner, abandon,
        laisser, laissez tomber, laisse tomber, non surtout pas, retour, no, nope, nay, i refuse,
        i disagree, disagree, i do not want, i don t want, no i don t, not, back, never mind,
        nevermind, no way, do not, don t
    """,
}

# Beside numbers of days. Not "jours avant" alone: that may be a wish for another date.
DAYS_BEFORE = """
    discretion, discretion jours, discretion jour, discretion jours avant, discretion jour avant, rappel jours avant,
    rappel jour avant, rappels jours avant, rappels jour avant, discretion days, discretion day,
    discretion days before, discretion day before, reminder days before, reminder day before,
    reminders days before, reminders day before
"""
BETWEEN_NUMBERS = _set("et and puis then")
MOST_DAYS = 60
MOST_NUMBERS = 4

# Around a secret number ("mon code est 482915").
PIN_WORDS = _set(
    """
    code pin secret est is voici voila c ca here s it voir show see password mot de passe my mon
    number
    """
)

THUMBS_UP = frozenset("👍✅✔☑👌🆗")
THUMBS_DOWN = frozenset("👎❌✖🚫")
