"""Every problem and warning code with its status, title and words in French and English."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Language = Literal["fr", "en"]


@dataclass(frozen=True)
class ProblemText:
    """One code: HTTP status, unchanging English title, localised detail, and whether a retry can help."""

    status: int
    title: str
    detail: dict[Language, str]
    retryable: bool = False


def _text(status: int, title: str, fr: str, en: str, *, retryable: bool = False) -> ProblemText:
    return ProblemText(status, title, {"fr": fr, "en": en}, retryable)


# fmt: off
PROBLEMS: dict[str, ProblemText] = {
    # bodies
    "body_object_expected": _text(400, "JSON object expected", "Le corps de la requête doit être un objet JSON.",
                                  "The body must be a JSON object."),
    "json_invalid": _text(400, "Invalid JSON", "Le corps de la requête n'est pas du JSON valide.",
                          "The body is not valid JSON."),
    "json_too_deep": _text(400, "JSON too deep", "Le JSON est imbriqué sur plus de 16 niveaux.",
                           "The JSON is nested more than 16 levels deep."),
    "duplicate_key": _text(400, "Duplicate key", "Une clé est présente deux fois dans le même objet JSON.",
                           "A key appears twice in the same JSON object."),
    "number_invalid": _text(400, "Invalid number", "Un nombre est trop long ou n'est pas un nombre fini.",
                            "A number is too long or not finite."),
    "encoding": _text(400, "UTF-8 expected", "Le corps de la requête doit être en UTF-8.", "The body must be UTF-8."),
    "media_type": _text(415, "Unsupported media type", "Envoyez le corps en application/json.",
                        "Send the body as application/json."),
    "body_too_large": _text(413, "Body too large", "Le corps dépasse 64 Kio ; renvoyez l'alerte sans texte.",
                            "The body is larger than 64 KiB; send the alert again without text."),
    "invalid": _text(422, "Invalid value", "Une valeur n'est pas acceptable ; voir errors.",
                     "A value is not acceptable; see errors."),
    "id_invalid": _text(400, "Invalid identifier", "L'identifiant doit être un UUID.",
                        "The identifier must be a UUID."),
    "query_invalid": _text(400, "Invalid query", "Un paramètre de l'adresse est invalide ; voir field.",
                           "A parameter of the address is invalid; see field."),
    "cursor_invalid": _text(400, "Invalid cursor", "Ce curseur n'existe pas ; rechargez l'état complet.",
                            "This cursor does not exist; reload the whole state."),
    "not_found": _text(404, "Not found", "Cette adresse n'existe pas.", "There is nothing at this address."),
    "method_not_allowed": _text(405, "Method not allowed", "Cette méthode n'est pas possible ici.",
                                "This method is not possible here."),
    "header_invalid": _text(400, "Invalid header", "Un en-tête de la requête est invalide.",
                            "A header of the request is invalid."),
    # access
    "token_missing": _text(401, "Token required", "Identifiez-vous : en-tête Authorization: Bearer.",
                           "Sign in: Authorization: Bearer header."),
    "token_invalid": _text(401, "Token not valid", "Cette identification n'est pas ou plus valable.",
                           "This token is not, or no longer, valid."),
    "role_forbidden": _text(403, "Role not allowed", "Votre rôle ne permet pas cette action.",
                            "Your role does not allow this."),
    "login_failed": _text(401, "Login failed", "Identifiant ou mot de passe incorrect.",
                          "The login or the password is wrong."),
    "login_delayed": _text(429, "Login delayed", "Trop d'essais ; patientez avant de réessayer.",
                           "Too many attempts; wait before the next one.", retryable=True),
    "registration_delayed": _text(429, "Registration delayed", "Trop d'inscriptions depuis ce réseau ; patientez.",
                                  "Too many registrations from this network; wait a moment.", retryable=True),
    "invitation_invalid": _text(410, "Invitation not valid", "Ce lien a déjà servi ou a expiré ; demandez-en un autre.",
                                "This link was used already or has expired; ask for another."),
    "login_taken": _text(409, "Login taken", "Cet identifiant est déjà pris.", "This login is taken."),
    "password_weak": _text(422, "Password too weak", "Choisissez au moins 12 caractères, hors mots de passe courants.",
                           "Choose at least 12 characters, not a common password."),
    "staff_unknown": _text(404, "Unknown staff member", "Cette personne n'existe pas.", "There is no such person."),
    "team_unknown": _text(404, "Unknown team", "Cette équipe n'existe pas.", "There is no such team."),
    "last_admin": _text(409, "Last administrator", "C'est le dernier administrateur ; nommez-en un autre d'abord.",
                        "This is the last administrator; appoint another one first."),
    "team_taken": _text(409, "Name taken", "Ce nom ou cet indicatif est déjà pris par une autre équipe.",
                        "Another team has this name or call sign already."),
    "team_required": _text(409, "No team", "Aucune équipe ne vous est attribuée ; prévenez le PC sûreté.",
                           "You belong to no team; tell the control room."),
    "team_engaged": _text(409, "Team engaged", "Votre équipe est engagée ; terminez la mission ou prévenez le PC.",
                          "Your team is engaged; end the mission first or tell the control room."),
    "off_duty": _text(409, "Off duty", "Vous n'êtes pas en service.", "You are not on duty."),
    "pins_equal": _text(422, "PINs equal", "Le code d'annulation et le code de contrainte doivent différer.",
                        "The cancel PIN and the duress PIN must differ."),
    # alerts
    "alert_unknown": _text(404, "Unknown alert", "Cette alerte n'existe pas (encore) ; envoyez-la d'abord.",
                           "There is no such alert (yet); send it first."),
    "key_reused": _text(409, "Identifier reused", "Cet identifiant porte déjà une alerte d'un autre contenu.",
                        "This identifier already carries an alert with other content."),
    "alert_over": _text(409, "Alert over", "L'alerte est terminée ; envoyez-en une nouvelle si le danger continue.",
                        "The alert is over; send a new one if the danger continues."),
    "action_impossible": _text(409, "Not possible in this state", "Cette action n'est pas possible dans cet état.",
                               "This is not possible in the present state."),
    "pin_wrong": _text(422, "Wrong PIN", "Code incorrect ; l'alerte continue.", "Wrong PIN; the alert goes on."),
    "version_conflict": _text(412, "Changed meanwhile", "L'alerte a changé entre-temps ; voici son état.",
                              "The alert has changed meanwhile; here is its state."),
    "already_taken": _text(409, "Already taken", "Une autre équipe a pris cette alerte, ou elle est terminée.",
                           "Another team has taken this alert, or it is over."),
    "assignment_unknown": _text(404, "Unknown assignment", "Cette mission n'existe pas.",
                                "There is no such assignment."),
    "delivery_unknown": _text(404, "Unknown delivery", "Ce message n'existe pas.", "There is no such message."),
    "offer_expired": _text(409, "Offer expired", "Cette proposition a expiré.", "This offer has expired."),
    "team_unavailable": _text(409, "Team not available", "Cette équipe est hors service ou déjà engagée.",
                              "This team is off duty or engaged already."),
    "merge_impossible": _text(409, "Merge not possible", "Ces deux alertes ne peuvent pas être rattachées.",
                              "These two alerts cannot be merged."),
    "message_reused": _text(409, "Identifier reused", "Cet identifiant porte déjà un autre message.",
                            "This identifier already carries another message."),
    # network
    "line_unknown": _text(404, "Unknown line", "Cette ligne n'existe pas.", "There is no such line."),
    "vehicle_unknown": _text(404, "Unknown vehicle", "Ce véhicule n'existe pas.", "There is no such vehicle."),
    # sockets
    "event_unknown": _text(404, "Unknown event", "Cet événement n'existe pas.", "There is no such event."),
    "event_invalid": _text(422, "Invalid event", "Les données de cet événement ne sont pas acceptables.",
                           "The data of this event is not acceptable."),
    "event_budget": _text(429, "Too many events", "Trop d'événements ; ralentissez.", "Too many events; slow down.",
                          retryable=True),
    # the server's own trouble
    "busy": _text(503, "Busy", "Le système est momentanément occupé ; réessayez, ou appelez.",
                  "The system is busy for a moment; try again, or call.", retryable=True),
    "failed": _text(500, "Server error", "Erreur de notre côté ; réessayez, ou appelez.",
                    "Our mistake; try again, or call.", retryable=True),
    # warnings of an alert that is stored all the same (status 201 says: not an error)
    "location_invalid": _text(201, "Position not usable", "Position inutilisable : dites où vous êtes.",
                              "Position not usable: say where you are."),
    "location_missing": _text(201, "No position", "Pas de position : dites où vous êtes (ligne, arrêt).",
                              "No position: say where you are (line, stop)."),
    "location_repaired": _text(201, "Position repaired", "La position était écrite en texte ; elle a été lue.",
                               "The position was written as text; it was read."),
    "location_vague": _text(201, "Position vague", "Position très imprécise : dites la ligne ou l'arrêt.",
                            "Position very vague: say the line or the stop."),
    "accuracy_invalid": _text(201, "Accuracy not usable", "La précision reçue est inutilisable et a été ignorée.",
                              "The accuracy received is not usable and was ignored."),
    "out_of_area": _text(201, "Outside the area", "Position hors du réseau : le PC sûreté s'en charge.",
                         "Position outside the network: the control room takes it."),
    "device_time_invalid": _text(201, "Phone clock off", "L'heure du téléphone est fausse : l'heure du serveur compte.",
                                 "The phone's clock is off: the server's time counts."),
    "late": _text(201, "Late alert", "Alerte arrivée tard : le PC sûreté la voit comme telle.",
                  "The alert arrived late: the control room sees it as such."),
    "category_unknown": _text(201, "Unknown category", "Catégorie inconnue : enregistrée comme « autre ».",
                              "Unknown category: stored as “other”."),
    "field_ignored": _text(201, "Field ignored", "Un champ facultatif illisible a été ignoré.",
                           "An optional field could not be read and was ignored."),
    "text_cut": _text(201, "Text cut", "Le texte a été coupé à 2 000 caractères.",
                      "The text was cut at 2,000 characters."),
    "text_cleaned": _text(201, "Text cleaned", "Des caractères impossibles à stocker ont été remplacés.",
                          "Characters that cannot be stored were replaced."),
    "id_derived": _text(201, "Identifier derived", "Alerte sans identifiant : le serveur en a donné un.",
                        "Alert without an identifier: the server gave one."),
    "identity_stale": _text(201, "Identity stale", "Identification expirée : l'alerte est enregistrée quand même.",
                            "Expired identity: the alert is stored all the same."),
    "place_unknown": _text(201, "Unknown place",
                           "La ligne, l'arrêt ou le véhicule indiqué est inconnu ; gardé tel quel.",
                           "The line, stop or vehicle named is unknown; kept as it is."),
}
# fmt: on
