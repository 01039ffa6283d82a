"""Checks the DCAT documents of a running mesh by SHACL, and that a document without what is mandatory fails.

    test_dcat.py BASE SHAPES     run by test-dcat.sh
"""
import json
import re
import sys
import urllib.request
import xml.etree.ElementTree as ElementTree

import pyshacl
import rdflib

base, shapes_file = sys.argv[1:]
shapes = rdflib.Graph().parse(shapes_file)
DCAT = rdflib.Namespace("http://www.w3.org/ns/dcat#")
failures = 0


def get(path, accept):
    request = urllib.request.Request(base + path, headers={"accept": accept})
    with urllib.request.urlopen(request) as response:
        return response.headers["content-type"], response.read().decode()


def read(document):
    return rdflib.Graph().parse(data=document, format="json-ld")


def conforms(graph):
    good, _, text = pyshacl.validate(graph, shacl_graph=shapes, advanced=False, meta_shacl=True)
    return good, text


def check(name, holds, text=""):
    global failures
    failures += not holds
    print(f"{'ok  ' if holds else 'FAIL'} {name}" + ("" if holds else f"\n{text}"))


kind, document = get("/catalog.jsonld", "*/*")
catalog = read(document)
good, text = conforms(catalog)
check("the catalog conforms", good, text)
check("it is JSON-LD", kind == "application/ld+json", kind)
datasets = set(catalog.objects(None, DCAT.dataset))
check("it lists the five products", len(datasets) == 5, datasets)
links = [node for node in catalog.all_nodes() if isinstance(node, rdflib.URIRef)]
check("it names nothing by a relative address", all(re.match(r"^(https?|urn|mailto):", link) for link in links), links)
for product in ["cities", "continents", "countries", "earthquakes", "geography"]:
    kind, alone = get(f"/products/{product}/discovery", "application/ld+json")
    graph = read(alone)
    good, text = conforms(graph)
    check(f"{product} conforms by itself", good and kind == "application/ld+json", text)
    named = set(graph.subjects(rdflib.RDF.type, DCAT.Dataset))
    check(f"{product} has the same name in the catalog", len(named) == 1 and named <= datasets, named)
    check(f"{product} says how to get it", len(set(graph.objects(None, DCAT.distribution))) >= 5)
    for address in set(graph.objects(None, DCAT.endpointDescription)) | set(graph.objects(None, DCAT.landingPage)):
        with urllib.request.urlopen(str(address)) as response:
            check(f"{address} is there", response.status == 200)

# each of these must be found, or the checks above would say nothing
for lacking in ["dct:title", "dct:publisher", "dcat:distribution", "dct:conformsTo", "dct:identifier"]:
    broken = json.loads(document)
    del broken["dcat:dataset"][0][lacking]
    check(f"without {lacking} it does not conform", not conforms(read(json.dumps(broken)))[0])

_, text = get("/sitemap.xml", "*/*")
space = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
pages = [node.text for node in ElementTree.fromstring(text).iter(space + "loc")]
check("the sitemap has the first page and the products", len(pages) == 6 and pages[0] == base + "/", pages)
_, robots = get("/robots.txt", "*/*")
check("crawlers are told of the sitemap", f"Sitemap: {base}/sitemap.xml" in robots, robots)
for page in pages[1:]:
    _, html = get(page.removeprefix(base), "text/html")
    found = re.search(r'<script type="application/ld\+json">(.*?)</script>', html, re.S)
    said = json.loads(found[1]) if found else {}
    whole = all(said.get(key) for key in ["name", "description", "url", "distribution", "dateModified", "variableMeasured"])
    check(f"{page} has the markup of a schema.org Dataset", said.get("@type") == "Dataset" and whole, said)
print("all conform" if not failures else f"{failures} failed")
sys.exit(1 if failures else 0)
