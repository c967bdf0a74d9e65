"""Names, addresses and sources for the simulated people. Every e-mail ends in example.org."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from random import Random

GIVEN = (  # noqa: SIM905 (reads better than two hundred quoted words)
    "Aylin Amara Anna Antonio Arjun Astrid Aurelie Ayşe Bao Beatriz Benedikt Birgit Bogdan Bruno Camille Carlos Carmen Chiara Chinedu "
    "Clara Daniel Daria David Deniz Dominik Dragana Eda Elena Elias Elif Emil Emma Enrique Erik Esra Eva Fatima Felix Finn Florian "
    "Francesca Frieda Gabriel Georgi Giulia Grace Hanna Hannes Hiroshi Ibrahim Igor Ilse Ines Ingrid Isabel Ivana Jakub Jan Jana "
    "Jasmin João Johanna Jonas Jorge Joris Julia Julian Kaan Karin Katarzyna Khalid Kofi Kwame Lara Laszlo Lea Lena Leon Leyla Liam "
    "Lina Linh Lorenzo Luca Lucia Luis Lukas Maja Malik Manuel Mara Marek Maria Marie Marta Martin Mateo Matthias Maya Mehmet Mei "
    "Mette Michael Milan Mina Mira Mohammed Nadia Natalia Nele Nia Nikola Nils Nina Noah Noor Olga Oliver Omar Oskar Pablo Paula "
    "Pauline Peter Petra Philipp Pia Piet Piotr Priya Rafael Rania Ravi Rebecca Robin Rosa Ruben Ruta Samir Samuel Sandra Sara "
    "Sebastian Selin Simon Sofia Sophie Stefan Susanne Svenja Tara Tariq Thea Theo Thomas Tim Tom Tomasz Uwe Valentina Vera Victor "
    "Viktoria Vincent Wanjiru Yara Yuki Yusuf Zofia Zoë"
).split()

FAMILY = (  # noqa: SIM905 (as above)
    "Abebe Adeyemi Ahmed Albrecht Almeida Andersson Arslan Aydın Bauer Becker Berger Bianchi Bianco Boateng Brandt Braun Brandstätter "
    "Castro Cerny Chen Cohen Conti Costa Cruz Dahl Demir Díaz Dimitrov Dubois Dvořák Eder Engel Eriksen Farkas Fernandes Ferrari "
    "Fischer Fuchs Garcia Gomez Graf Greco Gruber Gupta Haas Hansen Hartmann Hassan Heinrich Hoang Hoffmann Horváth Huber Ivanova "
    "Jansen Jensen Jovanović Kamara Kaya Keller Khan Klein Koch Kovács Kowalska Kraus Krüger Kumar Lang Larsen Lefebvre Lehmann Lindqvist "
    "López Lorenz Ludwig Maier Marino Martins Mayer Mbeki Mensah Meyer Moreau Müller Muñoz Nagy Nakamura Navarro Neumann Nguyen "
    "Nielsen Novák Nowak Öztürk Okafor Okoye Oyelaran Papadopoulos Park Patel Pavlov Pereira Peters Petrov Pfeiffer Popescu Quist Ramos "
    "Reyes Ricci Richter Rossi Roth Ruiz Sahin Santos Sato Sauer Schmitt Schneider Scholz Schröder Schubert Schulz Schwarz Seidel "
    "Silva Simon Singh Sokolova Sørensen Stein Suzuki Tanaka Tran Torres Ulrich Vargas Verhagen Vogel Wagner Walter Wang Weber "
    "Weiß Werner Winkler Wolf Yildiz Yilmaz Zhang Ziegler Zimmermann"
).split()

SOURCES: tuple[tuple[str | None, float], ...] = (
    ("LinkedIn", 0.30),
    ("Company website", 0.20),
    ("Indeed", 0.15),
    ("StepStone", 0.12),
    ("Referral", 0.09),
    ("Agency", 0.04),
    ("other", 0.04),
    ("11", 0.02),  # some accounts send the id of a source instead of its name
    (None, 0.04),
)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of the company. ``user_id`` signs status changes, ``employee_id`` names hiring leads."""

    user_id: int
    employee_id: int
    first_name: str
    last_name: str
    title_id: int | None
    title: str | None

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}"


def ascii_fold(text: str) -> str:
    text = text.replace("ß", "ss").replace("ø", "o").replace("ı", "i").replace("Ø", "O")
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


class Applicants:
    """Draws applicants; about one in thirty is a person who has applied before, under a new applicant id."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._known: list[tuple[str, str, str]] = []
        self._sources = [source for source, _ in SOURCES]
        self._weights = [weight for _, weight in SOURCES]

    def draw(self, number: int) -> dict[str, str | None]:
        """``number`` (the applicant id) keeps the addresses of namesakes apart."""
        rng = self._rng
        if len(self._known) > 20 and rng.random() < 0.033:
            first, last, email = rng.choice(self._known)
        else:
            first, last = rng.choice(GIVEN), rng.choice(FAMILY)
            email = f"{ascii_fold(first)}.{ascii_fold(last)}{number}@example.org".lower()
            self._known.append((first, last, email))
        return {
            "first_name": first,
            "last_name": last,
            "email": email if rng.random() > 0.012 else rng.choice((None, "")),
            "source": rng.choices(self._sources, self._weights)[0],
        }
