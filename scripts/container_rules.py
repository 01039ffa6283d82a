"""Checks what the public validators can't know: that manifests, product folders and configuration agree.

    container_rules.py kubernetes FOLDER RENDERED.yaml
    container_rules.py image
    container_rules.py compose

Prints one line for what holds, one for each breach, and leaves with 1 when there is any. Needs PyYAML.
"""

import base64
import re
import sys
from pathlib import Path

import yaml

PRODUCTS = sorted(path.parent.name for path in Path("products").glob("*/dataproduct.odps.yaml"))
GATEWAY = Path("k8s/base/gateway/gateway.yaml")
SECRET_NAMES = re.compile(r"SECRET|PASSWORD|DATABASE_URL")
SERVED = ("dataproduct.odps.yaml", "policy.csv", "contracts/*.yaml", "models/*/*.sql", "data/*.*")
NOT_SERVED = {".py", ".mjs"}
# A ConfigMap may not be larger (Kubernetes: 1 MiB); the image carries every product folder.
LARGEST_CONFIG_MAP = 1024 * 1024

breaches: list[str] = []


def expect(holds: object, breach: str) -> None:
    if not holds:
        breaches.append(breach)


def finish(subject: str, what: str) -> None:
    for breach in breaches:
        print(f"FAIL {subject}: {breach}")
    if breaches:
        sys.exit(1)
    print(f"ok   {subject}: {what}")


def sources(product: str) -> set[str]:
    """The products whose output ports are input ports of this one."""
    descriptor = yaml.safe_load((Path("products") / product / "dataproduct.odps.yaml").read_text("utf-8"))
    properties = (p for port in descriptor.get("inputPorts", []) for p in port.get("customProperties", []))
    connectors = (p["value"] for p in properties if p["property"] == "connector")
    return {connector["product"] for connector in connectors if connector["kind"] == "product"}


def check_upstreams(product: str, value: str) -> None:
    entries = dict(entry.split("=", 1) for entry in value.split(",") if entry)
    expect(set(entries) == sources(product), f"{product} reads {sorted(sources(product))}, has upstreams {sorted(entries)}")
    for name, url in entries.items():
        expect(url == f"http://{name}:4001/graphql", f"{product} asks {url} for {name}")


def folder_files(product: str) -> set[str]:
    root = Path("products") / product
    found = (path for pattern in SERVED for path in root.glob(pattern))
    return {str(path.relative_to(root)) for path in found if path.suffix not in NOT_SERVED}


def check_container(name: str, pod: dict, container: dict) -> None:
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        expect(probe in container, f"{name} has no {probe}")
    resources = container.get("resources", {})
    for bound in ("requests", "limits"):
        expect({"cpu", "memory"} <= set(resources.get(bound, {})), f"{name} has no {bound} of cpu and memory")
    own, shared = container.get("securityContext", {}), pod.get("securityContext", {})
    expect(shared.get("runAsNonRoot") is True, f"{name} may run as root")
    expect(shared.get("seccompProfile", {}).get("type") == "RuntimeDefault", f"{name} has no seccomp profile")
    expect(own.get("readOnlyRootFilesystem") is True, f"{name} can write its root filesystem")
    expect(own.get("allowPrivilegeEscalation") is False, f"{name} may gain privileges")
    expect(own.get("capabilities", {}).get("drop") == ["ALL"], f"{name} keeps capabilities")
    expect(pod.get("automountServiceAccountToken") is False, f"{name} gets a service account token")
    expect(":" in container["image"], f"{name} has an image without a tag")
    for variable in container.get("env", []):
        if SECRET_NAMES.search(variable["name"]):
            source = variable.get("valueFrom", {})
            expect("secretKeyRef" in source, f"{name}: {variable['name']} is not from a secret")


def check_product_mount(product: str, pod: dict, config_maps: dict) -> None:
    wanted = folder_files(product)
    if sum((Path("products") / product / path).stat().st_size for path in wanted) > LARGEST_CONFIG_MAP:
        arguments = pod["containers"][0]["args"]
        expect(f"/opt/terrane/products/{product}" in arguments, f"{product} is too large to mount, and not the image's")
        return
    volumes = [v["configMap"] for v in pod["volumes"] if v.get("configMap", {}).get("name", "").startswith("product-")]
    expect(len(volumes) == 1, f"{product} mounts {len(volumes)} product folders")
    for volume in volumes:
        data = config_maps.get(volume["name"])
        expect(data is not None, f"{product} mounts the unknown ConfigMap {volume['name']}")
        mounted = {item["path"]: item["key"] for item in volume["items"]}
        for path in sorted(wanted - set(mounted)):
            expect(False, f"products/{product}/{path} is not mounted")
        for path in sorted(set(mounted) - wanted):
            expect(False, f"{product} mounts {path}, which is not in its folder")
        for path in sorted(wanted & set(mounted)):
            held = (Path("products") / product / path).read_bytes()
            expect((data or {}).get(mounted[path]) == held, f"key {mounted[path]} does not hold {product}/{path}")


def contents(config_map: dict) -> dict[str, bytes]:
    """The values of a ConfigMap by key: texts, and what is no text in base64."""
    texts = {key: text.encode("utf-8") for key, text in config_map.get("data", {}).items()}
    return texts | {key: base64.b64decode(packed) for key, packed in config_map.get("binaryData", {}).items()}


def check_kubernetes(folder: str, rendered: str) -> None:
    objects = [o for o in yaml.safe_load_all(Path(rendered).read_text("utf-8")) if o]
    by_kind: dict[str, dict[str, dict]] = {}
    for found in objects:
        by_kind.setdefault(found["kind"], {})[found["metadata"]["name"]] = found
    expect("Secret" not in by_kind, "a Secret is rendered: refer to secrets, don't contain them")
    config_maps = {name: contents(found) for name, found in by_kind["ConfigMap"].items()}
    deployments, services = by_kind["Deployment"], by_kind["Service"]
    expect(set(deployments) == {"gateway", *PRODUCTS}, f"deployments are {sorted(deployments)}")
    for name, deployment in deployments.items():
        pod = deployment["spec"]["template"]["spec"]
        for container in pod["containers"]:
            check_container(name, pod, container)
        if name in PRODUCTS:
            check_product_mount(name, pod, config_maps)
            environment = {v["name"]: v.get("value", "") for v in pod["containers"][0].get("env", [])}
            check_upstreams(name, environment.get("TERRANE_UPSTREAMS", ""))
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        selector = services[name]["spec"]["selector"]
        expect(selector.items() <= labels.items(), f"service {name} selects no pod of {name}")
        budget = by_kind["PodDisruptionBudget"].get(name, {}).get("spec", {})
        expect(budget.get("selector", {}).get("matchLabels", {}).items() <= labels.items(), f"budget {name} selects no pod")
        expect(budget, f"{name} has no PodDisruptionBudget")
    for subgraph in yaml.safe_load(GATEWAY.read_text("utf-8"))["subgraphs"]:
        host, port = re.fullmatch(r"http://([\w.-]+):(\d+)/graphql", subgraph["url"]).groups()
        ports = [p["port"] for p in services.get(host, {}).get("spec", {}).get("ports", [])]
        expect(int(port) in ports, f"the gateway asks {subgraph['url']}, which no Service answers")
    policies = by_kind["NetworkPolicy"].values()
    everywhere = [p["spec"] for p in policies if p["spec"]["podSelector"] == {}]
    denied = [s for s in everywhere if set(s["policyTypes"]) == {"Ingress", "Egress"}]
    expect(any("ingress" not in s and "egress" not in s for s in denied), "nothing denies by default")
    finish(folder, "hardening, probes, secrets, product folders, addresses and network policies agree")


def check_image() -> None:
    text = Path("Dockerfile").read_text("utf-8")
    rules = Path(yaml.safe_load(GATEWAY.read_text("utf-8"))["policy"]["mesh"])
    inside = Path("policies") / rules.relative_to("/opt/terrane/policies")
    expect(inside.is_file() and "COPY policies /opt/terrane/policies" in text, f"the image has no {rules}")
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", text, re.M))
    final = text[text.rindex("\nFROM ") :]
    expect(re.search(r"^USER (?!0|root)\S+", final, re.M), "the image runs as root")
    expect("HEALTHCHECK" in final, "the image has no health check")
    for base in re.findall(r"^FROM (\S+)", text, re.M):
        expect(base in stages or (":" in base and not base.endswith(":latest")), f"base image {base} is not pinned")
    for source in re.findall(r"^COPY (?:--chmod=\S+ )?(?!--from)(.+) \S+$", final, re.M):
        for path in source.split():
            expect(Path(path).exists(), f"the image copies {path}, which is not there")
    finish("Dockerfile", "non-root, health check, pinned bases, every copied file is there")


def check_compose() -> None:
    compose = yaml.safe_load(Path("compose.yaml").read_text("utf-8"))
    services = compose["services"]
    expect({"postgres", "gateway", *PRODUCTS} == set(services), f"services are {sorted(services)}")
    for name, service in services.items():
        expect("healthcheck" in service, f"{name} has no health check")
        expect(service.get("read_only") is True, f"{name} can write its root filesystem")
        expect(service.get("cap_drop") == ["ALL"], f"{name} keeps capabilities")
        for variable, value in service.get("environment", {}).items():
            if SECRET_NAMES.search(variable):
                inside = re.findall(r"\$\{[^}]*\}", value)
                expect(inside and all(":?" in use for use in inside), f"{name}: {variable} has a value without secrets set")
        for other, need in service.get("depends_on", {}).items():
            expect(other in services and need == {"condition": "service_healthy"}, f"{name} does not wait for {other}")
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            expect(not source.startswith("./") or Path(source).is_file(), f"{name} mounts {source}, which is not there")
        if name in PRODUCTS:
            expect(f"/opt/terrane/products/{name}" in service["command"], f"{name} serves another folder")
            check_upstreams(name, service["environment"].get("TERRANE_UPSTREAMS", ""))
    for subgraph in yaml.safe_load(GATEWAY.read_text("utf-8"))["subgraphs"]:
        host = re.match(r"http://([\w-]+):4001/", subgraph["url"])
        expect(host and host[1] in services, f"the gateway asks {subgraph['url']}, which no service answers")
    finish("compose.yaml", "health checks, hardening, required secrets, mounts and addresses agree")


def main() -> None:
    match sys.argv[1:]:
        case ["kubernetes", folder, rendered]:
            check_kubernetes(folder, rendered)
        case ["image"]:
            check_image()
        case ["compose"]:
            check_compose()
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
