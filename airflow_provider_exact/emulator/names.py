"""Invented names for the seeded data; any likeness to real companies or people is chance."""

# fmt: off
ACCOUNT_FIRST = (
    "Veldzicht", "Grutto", "Kievit", "Morgenrood", "Waterlinie", "Hoogland", "Stroomdal",
    "Bakermat", "Zandkreek", "Lepelaar", "Duinroos", "Kromhout", "Zonnehof", "Merelbeek",
    "Westerwolde", "Klaproos", "Rietkraag", "Populier", "Oeverzwaluw", "Wielewaal", "Zeekraal",
    "Heideroos",
)
ACCOUNT_SECOND = (
    "Bouw", "Logistiek", "Installaties", "Zorg", "Horeca", "Media", "Transport", "Groen", "Metaal",
    "Advies", "Vastgoed",
)
ACCOUNT_FORMS = (
    "B.V.", "N.V.", "V.O.F.", "Groep", "& Zonen",
)
CITIES = (
    "Groningen", "Zwolle", "Arnhem", "Breda", "Middelburg", "Gent", "Hasselt", "Leiden",
    "Amersfoort", "Roermond", "Alkmaar", "Assen",
)
FIRST_NAMES = (
    "Anouk", "Bram", "Carlijn", "Dirk", "Elif", "Floris", "Hanna", "Imre", "Jasmijn", "Koen",
    "Lotte", "Mees", "Noor", "Otis", "Petra", "Ruben",
)
LAST_NAMES = (
    "Aalders", "Boonstra", "Claessens", "Dekker", "Elzinga", "Feenstra", "Goossens", "Hoekman",
    "Ibrahim", "Jansma", "Kloosterman", "Lanser", "Meulenbelt", "Nijland", "Oosterhof", "Pruim",
)
PROJECT_KINDS = (
    "Renovatie kantoor", "Nieuwbouw hal", "Onderhoud installaties", "Overstap ERP", "Webwinkel",
    "Energiescan", "Inrichting magazijn", "Opleiding personeel", "Verhuizing archief",
    "Jaarcontrole",
)
# code, description, price, counted in fractions, unit
HOUR_TYPES = (
    ("ADVIES", "Advies", 125.0, True, "hour"),
    ("ONTWERP", "Ontwerp", 98.5, True, "hour"),
    ("UITVOERING", "Uitvoering", 72.0, True, "hour"),
    ("REISTIJD", "Reistijd", 45.0, True, "hour"),
    ("OVERLEG", "Overleg", 80.0, True, "hour"),
    ("BEHEER", "Projectbeheer", 92.0, True, "hour"),
    ("STORING", "Storingsdienst", 140.0, True, "hour"),
    ("DAGDEEL", "Training per dagdeel", 480.0, False, "pc"),
)
COST_TYPES = (
    ("KILOMETER", "Kilometers", 0.23, True, "km"),
    ("PARKEREN", "Parkeerkosten", 1.0, True, "pc"),
    ("HOTEL", "Overnachting", 95.0, False, "pc"),
    ("MATERIAAL", "Klein materiaal", 12.5, False, "pc"),
)
ACTIVITIES = (
    "Voorbereiding", "Uitvoering", "Oplevering", "Nazorg",
)
NOTES = (
    "Overleg met de klant", "Tekening aangepast", "Op locatie gewerkt", "Meting gedaan",
    "Rapport geschreven", "Storing verholpen", "Planning bijgewerkt", "Materiaal besteld",
    "Test en overdracht", "",
)
# fmt: on
