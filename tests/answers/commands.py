"""kubectl commands, in the order in which they run; `recorded_commands.json` holds what a kube-apiserver made of each.

`python -m answers.commands` in `tests/` records them with the pinned kubectl on the server that KUBECONFIG names.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import yaml

from answers.record import DEFINITION
from tools import tool

NAMESPACE = "answers-cli"
RECORDED = Path(__file__).parent / "recorded_commands.json"
_LONGEST = 4000  # characters of an output that are compared
_LIMIT = 60  # seconds

_REPORT = """\
apiVersion: answers.example.com/v1alpha1
kind: Report
metadata: {name: people}
spec: {targetRef: {name: lake}, suspend: true, export: {type: Entities, fileFormat: JSON}}
"""
_OTHERS = """\
---
apiVersion: v1
kind: ConfigMap
metadata: {name: cmx, labels: {prune: me}}
data: {a: b}
---
apiVersion: v1
kind: Secret
metadata: {name: sx, labels: {prune: me}}
stringData: {a: b}
"""
_EVENT = f"""\
apiVersion: v1
kind: Event
metadata: {{name: people.1}}
involvedObject: {{apiVersion: answers.example.com/v1alpha1, kind: Report, name: people, namespace: {NAMESPACE}}}
reason: Submitted
message: Submitted it.
type: Normal
source: {{component: reporter}}
firstTimestamp: "2020-01-01T00:00:00Z"
lastTimestamp: "2020-01-01T00:00:00Z"
count: 2
"""
FILES = {
    "one.yaml": _REPORT,
    "two.yaml": _REPORT.replace("suspend: true", "suspend: false, lifetime: 99"),
    "bad.yaml": _REPORT.replace("people", "bad").replace("suspend:", "suspendd:"),
    "wrong.yaml": _REPORT.replace("people", "wrong").replace("Entities", "Everything"),
    "generated.yaml": _REPORT.replace("name: people", "generateName: gen-"),
    "several.yaml": _REPORT + _OTHERS,
    "event.yaml": _EVENT,
    "kustomized/one.yaml": _REPORT,
    "kustomized/kustomization.yaml": "resources: [one.yaml]\nnamePrefix: kust-\n"
    "labels: [{pairs: {app: kust}}]\nsecretGenerator: [{name: gen, literals: [a=b]}]\n",
}

COMMANDS = r"""
kubectl api-resources --api-group=answers.example.com -o wide
kubectl api-resources --verbs=list,delete --namespaced=true -o name | grep -E 'answers|^configmaps|^secrets'
kubectl api-versions | grep -E 'answers|^v1|coordination|apiextensions|authentication.k8s.io/v1$'
kubectl cluster-info
kubectl get ns default
kubectl create namespace answers-cli-n1
kubectl create namespace answers-cli-n1
kubectl create namespace Answers
kubectl create secret generic s1 --from-literal=a=b
kubectl create secret generic s1 --from-literal=a=b
kubectl create secret docker-registry s2 --docker-server=x --docker-username=u --docker-password=p
kubectl create configmap c1 --from-literal=a=b
kubectl create cm c2 --from-literal=a=b --dry-run=server -o yaml
kubectl create cm c2 --from-literal=a=b --dry-run=client -o yaml
kubectl create cm c2 --from-literal='a b=c'
kubectl create sa bob
kubectl get sa bob -o yaml
kubectl get secret s1 -o yaml
kubectl get secret,cm -l nope=x
kubectl get secret
kubectl get cm c1 -o wide
kubectl get cm c1 -o json
kubectl get crd reports.answers.example.com
kubectl explain rpt.spec
kubectl explain rpt.spec.export.type
kubectl explain rpt.spec.nope
kubectl explain secret.data | head -6
kubectl apply -f one.yaml
kubectl apply -f one.yaml
kubectl apply -f bad.yaml
kubectl apply -f wrong.yaml
kubectl apply -f bad.yaml --validate=warn
kubectl apply -f bad.yaml --validate=false
kubectl delete rpt bad
kubectl create -f generated.yaml -o name | sed 's/gen-.*/gen/'
kubectl get rpt -o name | sed 's/gen-.*/gen/'
kubectl get rpt people -A
kubectl get rpt people -o name
kubectl get rpt people -o json
kubectl get rpt people -o yaml --show-managed-fields
kubectl get rpt people -o jsonpath='{.spec.targetRef.name}'
kubectl get rpt people -o go-template='{{.spec.targetRef.name}}'
kubectl get rpt people -o custom-columns=N:.metadata.name,P:.status.phase,T:.spec.export.type
kubectl get rpt people
kubectl get rpt people -o wide
kubectl get rpt/people cm/c1
kubectl get rpt --field-selector metadata.name=people
kubectl get rpt --field-selector spec.policy=Cancel,metadata.name=people
kubectl get rpt --field-selector spec.path=people
kubectl get ns --field-selector status.phase=Active,metadata.name=default -o name
kubectl get secret --field-selector type=Opaque -o name
kubectl get rpt -l 'a in (b'
kubectl get rpt -l 'a/b/c=d'
kubectl get rpt people --show-labels
kubectl get rpt people --show-kind --no-headers
kubectl get rpt people -L team
kubectl get rpt --sort-by=.metadata.name -o name | sed 's/gen-.*/gen/'
kubectl get rpt --chunk-size=1 -o name | sed 's/gen-.*/gen/'
kubectl get rpt people -w --request-timeout=1s
kubectl get rpt people --watch-only --request-timeout=1s
kubectl get rpt people -w --output-watch-events --request-timeout=1s
kubectl get rpt,cm -w
kubectl describe rpt people
kubectl describe ns answers-cli-n1
kubectl describe secret s1
kubectl describe cm c1
kubectl describe sa bob
kubectl describe rpt nope
kubectl create -f event.yaml
kubectl get events
kubectl get events -o wide
kubectl get events --field-selector involvedObject.name=people,reason=Submitted
kubectl get events --field-selector nope=x
kubectl get events --sort-by=.lastTimestamp
kubectl events
kubectl events --for rpt/people
kubectl events --for rpt/nope
kubectl events --types=Warning
kubectl diff -f one.yaml
kubectl diff -f two.yaml | tail -n +4
kubectl diff --server-side -f two.yaml | tail -n +4
kubectl apply --dry-run=client -f one.yaml
kubectl apply --dry-run=server -f two.yaml
kubectl apply --server-side -f one.yaml
kubectl apply --server-side -f two.yaml
kubectl apply --server-side --field-manager=other -f one.yaml
kubectl apply --server-side --force-conflicts --field-manager=other -f one.yaml
kubectl apply -f two.yaml
kubectl apply -f one.yaml --server-side --dry-run=server
kubectl get rpt people -o yaml --show-managed-fields
kubectl apply view-last-applied rpt/people
kubectl apply set-last-applied -f one.yaml
kubectl apply -f several.yaml
kubectl apply -f several.yaml --prune -l prune=me --prune-allowlist=core/v1/ConfigMap
kubectl delete -f several.yaml
kubectl apply -f one.yaml
kubectl label rpt people team=mdm
kubectl label rpt people team=mdm
kubectl label rpt people team=mdm2
kubectl label rpt people team=mdm2 --overwrite
kubectl label rpt people bad/key/x=1
kubectl label rpt people bad_/x=1
kubectl label rpt people 'team=a b' --overwrite
kubectl label rpt --all owner=me --dry-run=server -o name | sed 's/gen-.*/gen/'
kubectl label rpt people team-
kubectl annotate rpt people note=hello
kubectl annotate rpt people note=other
kubectl annotate rpt people note=other --overwrite
kubectl annotate rpt people note-
kubectl annotate cm c1 note=x --resource-version=1
kubectl patch rpt people --type merge -p '{"spec":{"suspend":false}}'
kubectl patch rpt people --type json -p '[{"op":"replace","path":"/spec/suspend","value":true}]'
kubectl patch rpt people --type json -p '[{"op":"test","path":"/spec/suspend","value":false}]'
kubectl patch rpt people -p '{"spec":{"suspend":true}}'
kubectl patch rpt people --type merge -p '{"spec":{"suspend":"x"}}'
kubectl patch rpt people --type merge -p '{"spec":{"export":{"type":"Relations"}}}'
kubectl patch rpt people --type merge -p '{"spec":{"nope":1}}'
kubectl patch cm c1 -p '{"data":{"b":"c"}}'
kubectl patch cm c1 --type merge -p '{"data":{"b":null}}'
kubectl patch rpt people --subresource=status --type=merge -p '{"status":{"phase":"Running"}}'
kubectl patch rpt people --type=merge -p '{"status":{"phase":"Complete"}}'
kubectl patch rpt people --subresource=scale --type=merge -p '{}'
kubectl get rpt people --subresource=status
kubectl wait --for=jsonpath={.status.phase}=Running rpt/people --timeout=3s
kubectl wait --for=condition=Complete rpt/people --timeout=1s
kubectl wait --for=create rpt/people --timeout=1s
kubectl wait --for=delete rpt/nope --timeout=1s
kubectl wait --for=condition=established crd/reports.answers.example.com --timeout=1s
kubectl scale rpt people --replicas=2
kubectl autoscale rpt people --max=2
kubectl rollout status rpt/people
kubectl rollout restart rpt/people
kubectl logs rpt/people
kubectl logs nopod
kubectl exec nopod -- ls
kubectl get pods,deploy,job,ing
kubectl top pods
kubectl attach rpt/people
kubectl set image rpt/people a=b
kubectl auth can-i create rpt
kubectl auth can-i '*' '*'
kubectl auth can-i get /readyz
kubectl auth can-i --list | head -3
kubectl auth whoami | grep -c .
KUBE_EDITOR=true kubectl edit rpt people
KUBE_EDITOR='sed -i s/suspend:.*/suspend:\ false/' kubectl edit rpt people
KUBE_EDITOR='sed -i s/fileFormat:.*/fileFormat:\ CSV/' kubectl edit rpt people
kubectl get rpt people -o yaml > live.yaml; kubectl replace -f live.yaml
sed 's/resourceVersion.*/resourceVersion: "1"/' live.yaml > stale.yaml; kubectl replace -f stale.yaml
sed '/resourceVersion/d' live.yaml > bare.yaml; kubectl replace -f bare.yaml
sed '/uid:/d; s/name: people/name: exported/' live.yaml > exported.yaml; kubectl create -f exported.yaml
kubectl replace --force -f one.yaml
kubectl replace -f generated.yaml
kubectl create -f one.yaml
kubectl create -f one.yaml --validate=false
kubectl apply -k kustomized
kubectl get -k kustomized
kubectl diff -k kustomized
kubectl delete -k kustomized
kubectl get --raw /healthz
kubectl get --raw '/readyz?verbose' | tail -1
kubectl get --raw /apis/answers.example.com/v1alpha1/namespaces/default/reports/nope
kubectl get --raw /nope
kubectl get rpt nope
kubectl get nope
kubectl get rpt people nope -o name
kubectl get rpt nope --ignore-not-found
kubectl get rpt -n nope
kubectl create cm x -n nope
kubectl delete rpt nope
kubectl delete rpt nope --ignore-not-found
kubectl delete rpt people --dry-run=server
kubectl delete rpt people --dry-run=client
kubectl create cm fg && kubectl delete cm fg --cascade=foreground --wait=true --timeout=20s
kubectl create cm og && kubectl delete cm og --cascade=orphan --timeout=20s
kubectl delete rpt people --now
kubectl apply -f one.yaml
kubectl delete -f one.yaml --grace-period=0 --force
kubectl delete rpt -l nope=nope
kubectl delete rpt --all -o name | sed 's/gen-.*/gen/'
kubectl delete cm c1 c2
kubectl delete secret s1 s2 --wait=false
kubectl delete sa bob
kubectl delete ns answers-cli-n1 --timeout=20s
kubectl delete ns default
kubectl delete ns gamma
kubectl delete events --all
kubectl get limits,quota
""".strip().splitlines()

_COMPARABLE = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<uid>"),
    (re.compile(r"20\d\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| \+0000)"), "<time>"),
    (re.compile(r"(resourceVersion\"?: ?|Resource Version: +)\"?\d+\"?"), r"\1<version>"),
    (re.compile(r"https?://127\.0\.0\.1:\d+"), "<server>"),
    (re.compile(r"(?<![\w-])(\d+[smhdy]){1,2}(?![\w-])"), "<age>"),
    (re.compile(r"/tmp/[\w./-]+"), "<file>"),
    (re.compile(r" +(\n|$)"), r"\1"),
    (re.compile(r" {2,}"), "  "),
)


def prepare(folder: Path, kubeconfig: Path) -> dict[str, str]:
    """Write the manifests and a kubeconfig for the namespace of the requests; returns the environment to run in."""
    for name, content in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content)
    config = yaml.safe_load(kubeconfig.read_text())
    config["contexts"][0]["context"]["namespace"] = NAMESPACE
    (folder / "kubeconfig").write_text(yaml.safe_dump(config))
    (folder / "bin").mkdir()
    (folder / "bin" / "kubectl").symlink_to(tool("kubectl"))
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": str(folder), "KUBECONFIG": str(folder / "kubeconfig")}
    setup = f"kubectl create ns {NAMESPACE} && kubectl create -f {DEFINITION} && "
    setup += "kubectl wait --for=condition=established crd/reports.answers.example.com"
    subprocess.run(["bash", "-c", setup], env=environment, cwd=folder, check=True, capture_output=True, timeout=_LIMIT)
    return environment


def run(command: str, folder: Path, environment: dict[str, str]) -> dict[str, Any]:
    """What a command prints, without what differs from one server and moment to the next, and how it ends."""
    done = subprocess.run(
        ["bash", "-c", command], env=environment, cwd=folder, capture_output=True, text=True, timeout=_LIMIT
    )
    return {"code": done.returncode, "out": _comparable(done.stdout), "err": _comparable(done.stderr)}


def _comparable(text: str) -> list[str]:
    for pattern, instead in _COMPARABLE:
        text = pattern.sub(instead, text)
    return [line for line in text[:_LONGEST].splitlines() if line]


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = prepare(folder, Path(os.environ["KUBECONFIG"]))
        found = [run(command, folder, environment) for command in COMMANDS]
        run(f"kubectl delete crd reports.answers.example.com; kubectl delete ns {NAMESPACE}", folder, environment)
    lines = [json.dumps(answer, sort_keys=True, ensure_ascii=False) for answer in found]
    RECORDED.write_text("[\n" + ",\n".join(lines) + "\n]\n")
    print(f"{len(lines)} outputs are in {RECORDED}.")


if __name__ == "__main__":
    main()
