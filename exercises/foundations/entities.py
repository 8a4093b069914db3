"""Sentences with people, organizations, places and libraries, for foundations/ner.

Everything here is written for this exercise; people and organizations are invented. The same
arguments give the same sentences. The held-out part shares neither a template nor a name (not
even a given name, a surname or the core of an organization's name) with the training part.
"""

from __future__ import annotations

import random
from typing import Literal

TYPES = ("PER", "ORG", "LOC", "LIB")
LABELS = ("O", *(f"{prefix}-{kind}" for kind in TYPES for prefix in "BI"))
"""The tags of the BIO scheme; a tag's place is its id."""

Part = Literal["train", "held_out"]
Sentence = tuple[list[str], list[str]]
"""Words and their tags, one each."""

# Of each list the last quarter is held out.
GIVEN = [
    "Alma",
    "Bruno",
    "Carla",
    "Dmitri",
    "Elif",
    "Farid",
    "Greta",
    "Hiro",
    "Ines",
    "Jonas",
    "Kavita",
    "Lars",
    "Mei",
    "Nadia",
    "Oskar",
    "Priya",
    "Rosa",
    "Samir",
    "Tomas",
    "Ulla",
    "Viktor",
    "Wanda",
    "Yusuf",
    "Zoe",
    "Anand",
    "Beatriz",
    "Cheng",
    "Dora",
    "Emeka",
    "Freya",
    "Goran",
    "Hana",
    "Ivo",
    "Jamila",
    "Kenji",
    "Leila",
    "Mateo",
    "Noor",
    "Olga",
    "Pavel",
    "Renata",
    "Sven",
    "Tariq",
    "Valeria",
]

SURNAMES = [
    "Almeida",
    "Berger",
    "Castro",
    "Dvorak",
    "Eriksen",
    "Fontaine",
    "Gupta",
    "Hoffmann",
    "Ibrahim",
    "Jansen",
    "Kowalski",
    "Lindqvist",
    "Moreau",
    "Nakamura",
    "Okafor",
    "Petrov",
    "Quispe",
    "Rossi",
    "Schmidt",
    "Tanaka",
    "Ueda",
    "Vargas",
    "Weber",
    "Yilmaz",
    "Zhang",
    "Andrade",
    "Bianchi",
    "Chowdhury",
    "Duarte",
    "Eze",
    "Fischer",
    "Gallo",
    "Haddad",
    "Iversen",
    "Jovanovic",
    "Kaplan",
    "Larsen",
    "Mbeki",
    "Novak",
    "Oliveira",
    "Popescu",
    "Ricci",
    "Sato",
    "Takahashi",
]

CORES = [
    "Aurora",
    "Bluewater",
    "Cascade",
    "Deepfield",
    "Evergreen",
    "Fairlight",
    "Granite",
    "Highmoor",
    "Ironwood",
    "Juniper",
    "Keystone",
    "Lakeside",
    "Meridian",
    "Northgate",
    "Oakridge",
    "Pinecrest",
    "Quarry",
    "Redstone",
    "Silverbrook",
    "Tidewater",
    "Upland",
    "Vanguard",
    "Westbridge",
    "Yarrow",
    "Zenith",
    "Amberline",
    "Brightwell",
    "Clearwater",
    "Driftwood",
    "Eastfall",
    "Foxglove",
    "Greenhill",
    "Harborview",
    "Islay",
    "Jadeport",
    "Kingsford",
    "Larkspur",
    "Millbrook",
    "Newhaven",
    "Ostra",
    "Paragon",
    "Ravenscroft",
    "Summit",
    "Thornbury",
]

FORMS = (
    "{} Labs", "{} University", "{} Bank", "the {} Foundation", "{} Systems", "{} Research",
    "{} Robotics", "the {} Institute", "{} Motors", "{}",
)  # fmt: skip

PLACES = """Lisbon,Nairobi,Kyoto,Oslo,Lima,Toronto,Cairo,Hanoi,Warsaw,Dublin,Accra,Chengdu,Porto,
Geneva,Montreal,Helsinki,Bogota,Lahore,Seville,Riga,Tbilisi,Quito,Perth,Leipzig,Osaka,Marseille,
New Delhi,San Diego,Cape Town,Buenos Aires,Hong Kong,Rio de Janeiro,Norway,Kenya,Peru,Vietnam,
Portugal,Finland,Ghana,Chile,Morocco,Japan,Canada,Egypt,New Zealand,South Korea,Sri Lanka,
Costa Rica,the Alps,the Danube,Lake Geneva,the Sahara,Bavaria,Catalonia,Sichuan,Patagonia,
Tuscany,Scotland,Crete,Andalusia,Normandy,Punjab,Zurich,Mumbai,Stockholm,Santiago,Vienna,Athens,
Shanghai,Nagoya,Bristol,Tunis,Addis Ababa,Mexico City,Los Angeles,Ho Chi Minh City,Sweden,
Ethiopia,Austria,Thailand,South Africa,Papua New Guinea,the Andes,the Rhine,Lake Victoria,
Lapland,Yunnan,Provence""".replace("\n", "").split(",")

LIBRARIES = """numpy,scipy,pandas,torch,tensorflow,keras,jax,transformers,datasets,tokenizers,peft,
spacy,nltk,gensim,matplotlib,seaborn,plotly,bokeh,flask,django,fastapi,requests,httpx,aiohttp,
sqlalchemy,pydantic,celery,pytest,hypothesis,black,mypy,ruff,opencv,pillow,networkx,sympy,numba,
cython,dask,ray,polars,pyarrow,duckdb,faiss,chroma,gradio,streamlit,textual,rich,click,typer,
jinja2,scrapy,selenium,lightgbm,xgboost,catboost,optuna,mlflow,onnx,Apache Spark,Apache Beam,
React Native,Ruby on Rails,scikit-learn,statsmodels,tqdm,accelerate,diffusers,bitsandbytes,trl,
langchain,llama.cpp,vllm,jieba,stanza,fairseq,allennlp,altair,tornado,marshmallow,paramiko,
pydub,librosa,geopandas,shapely,Apache Kafka,Spring Boot""".replace("\n", "").split(",")

TEMPLATES = [line for line in """
{PER} joined {ORG} last spring .
{PER} and {PER} met in {LOC} .
The head office of {ORG} is in {LOC} .
We rewrote the service with {LIB} .
{ORG} hired {PER} to lead its team in {LOC} .
After ten years at {ORG} , {PER} went back to {LOC} .
The new release of {LIB} broke our tests .
{PER} maintains {LIB} in the evenings .
Engineers at {ORG} replaced {LIB} by {LIB} .
It rained all week in {LOC} .
{PER} wrote the first version of {LIB} on a train to {LOC} .
According to {PER} , the results cannot be trusted .
{ORG} and {ORG} signed an agreement in {LOC} .
You can install {LIB} with one command .
The train from {LOC} to {LOC} was late again .
Professor {PER} of {ORG} gave the opening talk .
A bug in {LIB} cost {ORG} two days .
She asked {PER} for the slides .
Nobody in {LOC} had heard of {ORG} .
The memory leak was in {LIB} , not in our code .
{PER} was born in {LOC} and studied at {ORG} .
Before the meeting , {PER} called {PER} .
Shares of {ORG} fell by three percent .
The loader depends on {LIB} and {LIB} .
Winters in {LOC} are long and dark .
{ORG} opened a second office in {LOC} .
My colleague {PER} prefers {LIB} for plots .
They crossed {LOC} on foot .
{PER} , a lawyer from {LOC} , won the case against {ORG} .
The students of {ORG} built a robot with {LIB} .
Import {LIB} before you set the seed .
Letters to {PER} should be sent to {LOC} .
The court ordered {ORG} to pay {PER} .
Most of the code calls {LIB} directly .
Last year {ORG} moved from {LOC} to {LOC} .
Thanks to {PER} the fix is in {LIB} now .
The museum in {LOC} shows paintings by {PER} .
{LIB} is faster than {LIB} on small arrays .
The workshop was paid for by {ORG} .
Will {PER} be there tomorrow ?
Nothing happened for a long time .
The weather was better than we had expected .
Please close the door when you leave the room .
The second chapter is shorter than the first .
Prices rose while wages stayed the same .
Her first job was at {ORG} in {LOC} .
I read the source of {LIB} to understand it .
{PER} thinks that {ORG} will never publish its data .
In {LOC} , {PER} taught a course about {LIB} .
Two of us flew to {LOC} on Monday .
The board of {ORG} dismissed {PER} without a reason .
A patch for {LIB} was sent by {PER} .
Farmers near {LOC} lost their harvest .
{ORG} pays {PER} to work on {LIB} .
Why does {LIB} need so much memory ?
The poet {PER} lived in {LOC} for a while .
Tickets to {LOC} are cheap in autumn .
{PER} sold the company to {ORG} .
Our notebook uses {LIB} from start to end .
The lamp on the table had been on all night .
Dinner was served on the terrace .
The contract between {ORG} and {PER} ends in June .
{PER} showed how {ORG} deploys {LIB} in production .
From {LOC} you can see the mountains .
Reporters asked {ORG} for a comment .
Upgrade {LIB} , then run the script again .
{PER} plays chess with {PER} every Sunday .
The bridge in {LOC} was closed for repairs .
At {ORG} , nobody uses {LIB} any more .
{PER} bought a small house outside {LOC} .
The documentation of {LIB} was translated by {PER} .
A spokesman for {ORG} in {LOC} declined to answer .
""".splitlines() if line]  # fmt: skip


def sentences(part: Part, count: int, seed: int = 0) -> list[Sentence]:
    """Return `count` tagged sentences of one part, 4 to about 20 words each."""
    draw = random.Random(f"{part} {seed}")
    templates = _of(part, TEMPLATES, 3)
    return [_fill(draw.choice(templates), part, draw) for _ in range(count)]


def _of(part: Part, items: list[str], every: int = 4) -> list[str]:
    """Return a part's share of a list. every: one in so many is held out."""
    at = len(items) - len(items) // every
    return items[:at] if part == "train" else items[at:]


def _fill(template: str, part: Part, draw: random.Random) -> Sentence:
    words, tags = [], []
    for word in template.split():
        kind = word.strip("{}")
        if kind not in TYPES:
            words.append(word)
            tags.append("O")
            continue
        name = _name(kind, part, draw).split()
        words += name
        tags += [f"B-{kind}"] + [f"I-{kind}"] * (len(name) - 1)
    return words, tags


def _name(kind: str, part: Part, draw: random.Random) -> str:
    """Draw a name; "the" before a place or an organization belongs to it."""
    if kind == "LOC":
        return draw.choice(_of(part, PLACES))
    if kind == "LIB":
        return draw.choice(_of(part, LIBRARIES))
    if kind == "ORG":
        return draw.choice(FORMS).format(draw.choice(_of(part, CORES)))
    given, surname = draw.choice(_of(part, GIVEN)), draw.choice(_of(part, SURNAMES))
    return draw.choice((f"{given} {surname}", f"{given} {surname}", given, surname))
