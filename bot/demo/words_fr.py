"""The narrator's words, in French."""

from __future__ import annotations

from typing import Final

from bot.demo.stage import Headings
from bot.demo.words import Kind, Place, Typed, Words
from bot.domain.values import Language

FRENCH: Final = Words(
    language=Language.FR,
    typed=Typed(
        yes="oui",
        show="voir",
        confirm="confirmer 1",
        wish="plutôt un mercredi après l’école",
        move="déplacer 2 plutôt un mercredi après l’école",
        telegram="telegram",
        thanks="merci",
        leave="quitter",
        patients="patients",
        answers="réponses",
    ),
    headings=Headings(
        patient="Le téléphone d’Odette",
        practice="Le cabinet",
        outside="Le serveur, et un voleur",
        telegram="Ce que Telegram a vu",
    ),
    other_phone="Le téléphone de la mère",
    title="Pli : des rappels de rendez-vous sous pli fermé",
    opening=(
        "Un cabinet médical rappelle leurs rendez-vous à ses patients, sur leur téléphone. Personne d’autre "
        "ne doit savoir qui a rendez-vous, quand, où, avec qui, ni pourquoi : ni la messagerie qui "
        "transporte les messages, ni celui qui volerait la base de données.",
        "La messagerie est Matrix : comme pour le courrier électronique, chacun peut tenir son propre "
        "serveur, et choisir son application. Les messages y voyagent chiffrés : le serveur les transporte "
        "sans pouvoir les lire.",
        "Tout ce qui suit se passe vraiment, maintenant, sur cette machine : de vrais programmes, un vrai "
        "serveur et, dans la main de la patiente, une application qui n’est pas la nôtre. On y voit, côte à "
        "côte, l’écran de la patiente, le travail du cabinet, et les octets mêmes que détiennent le serveur "
        "de messagerie et un voleur de la base. Seul Telegram, où Odette est avertie aussi, est joué : par un "
        "serveur de cette machine qui se comporte comme lui et note ce qu’il reçoit.",
    ),
    set_up=(
        "Le cabinet s’installe",
        "Trois commandes : un dossier avec ses clés, un serveur de messagerie, et le robot « messages » qui "
        "parlera aux patients.",
    ),
    people=(
        "Trois patients, deux lettres",
        "Odette, et deux enfants, Zoé et Noé, pour qui leur mère répond. Le cabinet remet à chacune une "
        "lettre : un compte, un mot de passe, un code d’inscription. Une clé naît pour chacune à cet "
        "instant.",
    ),
    agenda=(
        "L’agenda entre, et se ferme",
        "Le logiciel du cabinet exporte son agenda. Pli le lit, met chaque rendez-vous sous enveloppe, "
        "chiffrée pour la clé de sa destinataire, et oublie le reste. Même le robot ne peut plus ouvrir ces "
        "enveloppes.",
    ),
    sign_up=(
        "Odette s’inscrit",
        "Elle ouvre l’application, trouve une conversation qui l’attend, tape le code de sa lettre, et "
        "choisit son code secret. Chaque ligne de droite est ce que le serveur a gardé du même message.",
    ),
    telegram=(
        "Odette a aussi Telegram",
        "Rien n’y est scellé ; une seule chose y part donc : l’avis, les mêmes mots pour tous. Odette "
        "demande une adresse dans sa conversation, derrière son code secret, et l’ouvre dans Telegram. Dans "
        "la dernière colonne, chaque requête que Telegram a reçue de Pli, en entier ; « … » est le jeton du "
        "robot.",
    ),
    booking=(
        "Une prise de sang, demain",
        "Le secrétariat note un rendez-vous de plus et exporte de nouveau l’agenda. L’avis partira à la "
        "prochaine heure d’envoi, la même pour tout le monde.",
    ),
    meanwhile=(
        "Pendant ce temps, la mère de Zoé et Noé",
        "Elle s’inscrit de la même façon, puis demande à voir. Comme elle répond pour deux enfants, chaque "
        "rendez-vous porte un prénom. Elle demande à en déplacer un, avec ses mots à elle.",
    ),
    staff=(
        "Le téléphone de la secrétaire",
        "Camille tient l’accueil. Elle reçoit un compte, et une invitation au salon de l’équipe, chiffré "
        "comme ceux des patients. Ce qu’elle y tape est exécuté par un processus à part, celui qui tient "
        "l’agenda ; le robot ne fait que porter.",
    ),
    nudge=(
        "L’avis",
        "C’est l’heure. Le téléphone d’Odette sonne. L’avis est le même pour tous, mot pour mot : sur un "
        "écran verrouillé, il ne dit rien.",
    ),
    wrong_place=(
        "Le code secret au mauvais endroit",
        "Odette répond dans Telegram, avec son code secret. Telegram l’a lu, et rien ne peut le défaire. Pli "
        "efface le message, n’en garde rien, ne l’essaie pas, et dit où écrire. Dans Telegram, ce code "
        "n’ouvre rien ; la conversation conseille de le changer. Elle remet cela à plus tard.",
    ),
    wrong_pin=(
        "Deux chiffres inversés",
        "Odette répond directement avec son code secret, et se trompe. Dix erreurs détruiraient sa clé.",
    ),
    right_pin=(
        "Le bon code secret",
        "La clé d’Odette s’ouvre, ses enveloppes aussi, le temps de lui répondre. Le serveur, lui, ne voit "
        "aucune différence avec l’essai précédent : même taille, même délai.",
    ),
    confirm=("Odette confirme", "Sa réponse est scellée pour le cabinet, qui seul peut la lire."),
    cancel=(
        "Le cabinet annule",
        "La prise de sang de demain est annulée dans l’agenda. À moins de deux jours, l’avis part aussitôt, "
        "toujours le même.",
    ),
    leave=(
        "Odette s’en va",
        "Quitter, c’est détruire la clé. Un voleur avait copié la veille la base et les clés du robot, et "
        "connaît même le code secret d’Odette.",
    ),
    search=(
        "La fouille",
        "Les programmes sont arrêtés. Chaque octet qu’ils ont écrit, ou envoyé à Telegram, est maintenant "
        "fouillé : les noms, lieux, consignes, motifs, heures exactes, références de l’agenda, ainsi que "
        "chaque code et chaque mot tapés.",
    ),
    made="dossier prêt : réglages, clés, base, coffre",
    homeserver_up="le serveur de messagerie répond",
    bot_up="le robot est en ligne",
    in_telegram="(dans Telegram)",
    button="[ {label} ]",
    she_typed="elle-même écrit :",
    repeated="(le reste comme avant)",
    gone_there="(le code tapé a disparu de Telegram)",
    chat_at_rest="voleur : le numéro de sa conversation dans Telegram, dans la base",
    no_chat="voleur : plus aucune conversation de Telegram dans la base",
    staff_added="invitée ; les clés de son téléphone sont retenues",
    staff_phone="Le téléphone de Camille",
    accounts="serveur : les comptes qu’il connaît",
    letter="lettre remise :\ncompte {user}\nmot de passe {password}\ncode {code}",
    reference_at_rest="voleur : la référence du premier, dans la base",
    agenda_lines="dans le fichier exporté :",
    counts={
        "new": "nouveaux",
        "changed": "changés",
        "moved": "déplacés",
        "cancelled": "annulés",
        "unchanged": "inchangés",
        "past": "passés",
        "unmatched": "d’autres patients",
    },
    envelope_at_rest="voleur : un de ces rendez-vous dans la base ({size} octets)",
    slot_at_rest="voleur : en clair, seulement la demi-journée jusqu’à laquelle un avis sert",
    room_seen="et deux conversations, sans nom parlant",
    sees_nothing="(le cabinet ne voit rien de cette conversation)",
    encrypted="serveur : {size} caractères",
    gone="(le code tapé a disparu de la conversation)",
    all_gone="(les codes tapés ont disparu de la conversation)",
    key_at_rest="voleur : la clé d’Odette, emballée ; sans le coffre, aucun code secret ne l’ouvre",
    booked="nouveau dans l’agenda :",
    slot_set="prochaine heure d’envoi : {at}",
    waiting="Prochaine heure d’envoi à {at}, dans",
    rings="le téléphone sonne",
    answer_at_rest="voleur : la réponse dans la base",
    left_at_practice="la patiente s’est retirée ; ses enveloppes sont effacées",
    thief_before=(
        "voleur, la veille : avec sa copie, le code secret et le coffre encore en service, la clé s’ouvre"
    ),
    thief_after=(
        "voleur, après le départ, avec la même copie et le même code : clé détruite, rien ne s’ouvre plus"
    ),
    leaks_title="Ce qui a fui",
    place="endroit fouillé",
    places={
        Place.HOMESERVER: "serveur : base, médias",
        Place.HOMESERVER_LOGS: "serveur : journaux",
        Place.DATABASE: "base de Pli",
        Place.VAULT: "coffre",
        Place.BOT: "robot : clés, session",
        Place.BOT_LOG: "robot : journal",
        Place.TELEGRAM: "Telegram : chaque requête",
        Place.IMPORT: "clés de l’import",
        Place.REST: "le reste du dossier",
    },
    files="fichiers",
    searched_for=(
        "{texts} textes recherchés, sous {needles} formes d’octets, dans {megabytes} Mo, deux fois : "
        "pendant la marche et après l’arrêt. Textes : {kinds}."
    ),
    planted="textes cachés exprès",
    found="… et retrouvés",
    agenda_itself="l’agenda lui-même, en clair",
    sizes_title="La taille des messages du robot, telle que le serveur la voit",
    kind="message",
    kinds={
        Kind.HELLO: "bonjour",
        Kind.ENROLMENT: "inscription",
        Kind.NUDGE: "avis",
        Kind.ASK_PIN: "demande du code secret",
        Kind.WRONG_PIN: "réponse à un code secret faux",
        Kind.DETAILS: "réponse à un code juste : rendez-vous",
        Kind.DETAILS_OF_TWO: "… de deux enfants",
        Kind.NEWS: "… avec une annulation",
        Kind.ANSWER: "réponse transmise",
        Kind.TELEGRAM: "à propos de Telegram",
        Kind.FAREWELL: "départ",
        Kind.STAFF: "dans le salon de l’équipe",
    },
    messages="nombre",
    size="caractères",
    after="délai après un code",
    still_known=(
        "Ce que le serveur sait quand même : quels comptes parlent au robot, et quand ({events} messages "
        "chiffrés)."
    ),
    telegram_title="Ce que Telegram a vu de Pli",
    in_language="langue",
    languages={Language.FR: "français", Language.EN: "anglais"},
    different="différents",
    notices="avis",
    sentences="autres phrases",
    calls="requêtes sans texte : {method}",
    telegram_knows=(
        "Ce que Telegram sait quand même : que ce robot avertit ce compte, et quand ; et ce qu’Odette y a "
        "écrit elle-même."
    ),
    one_body="Telegram : un seul contenu pour les {count} avis en {language}",
    bodies_differ="Telegram : {bodies} contenus différents pour {count} avis en {language}",
    no_notice="Telegram : il n’y a eu aucun avis",
    constants_alone="Telegram : rien que des phrases fixes et des numéros dans les {count} autres requêtes",
    strange="Telegram : {count} × {method} contenait autre chose",
    at_home=(
        "le numéro de conversation d’Odette n’est que chez Telegram, le jeton du robot chez Telegram et avec ses clés"
    ),
    not_at_home="le numéro de conversation d’Odette ou le jeton du robot n’a pas été trouvé à sa place",
    verdict_title="Verdict",
    no_leak="aucune fuite : rien de ce qui était recherché n’a été trouvé",
    leak="FUITE : {times} × {kind}, forme {form}, dans {file} ({place})",
    unreadable="n’a pas pu être lu : {file}",
    secrets={
        "reason": "motifs",
        "note": "consignes",
        "place": "lieux",
        "practitioner": "praticiens",
        "patient": "références de patients",
        "given name": "prénoms",
        "agenda id": "références de l’agenda",
        "time": "heures exactes",
        "code": "codes d’inscription",
        "password": "mots de passe",
        "link": "adresses pour Telegram",
        "chat": "conversations de Telegram",
        "token": "jeton du robot à Telegram",
        "PIN": "codes secrets tapés",
        "wish": "mots d’une patiente",
    },
    nothing_searched="rien n’a été fouillé",
    control_passed="la fouille voit clair : les {planted} textes cachés exprès ont été retrouvés",
    control_failed="la contre-épreuve a échoué : la fouille ne voit pas tout ce qui a été caché",
    one_size="une seule taille : {size} caractères pour les {count} messages du robot",
    sizes_differ="les tailles diffèrent : {sizes}",
    in_clear="un message du robot est parti en clair",
    all_happened="toutes les étapes ont eu lieu ({seconds} s)",
    stopped="tous les programmes se sont arrêtés proprement",
    not_stopped="un programme ne s’est pas arrêté proprement",
    missing_step="Cette étape n’a pas eu lieu : {step}",
    kept="Tout est resté dans {folder}.",
    not_kept='Rien n’est resté sur le disque. Pour tout garder et regarder : make demo ARGS="--keep DOSSIER"',
    interrupted="interrompu",
)
