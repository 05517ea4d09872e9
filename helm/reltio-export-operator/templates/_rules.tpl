{{- /* What the operator does in a namespace that it watches. */ -}}
{{- define "operator.rules" -}}
- apiGroups: [export.reltio.com]
  resources: [exporttargets, exportschedules]
  verbs: [get, list, watch]
- apiGroups: [export.reltio.com]
  resources: [exportjobs]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [export.reltio.com]
  resources: [exporttargets/status, exportjobs/status, exportschedules/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]
- apiGroups: [""]
  resources: [events]
  verbs: [create]
{{- end -}}

{{- /* What ends the jobs of a namespace that is being deleted: its Role is deleted first, and cannot be created again. */ -}}
{{- define "operator.deletionRules" -}}
- apiGroups: [export.reltio.com]
  resources: [exporttargets]
  verbs: [get, list, watch]
- apiGroups: [export.reltio.com]
  resources: [exportjobs]
  verbs: [get, list, watch, patch]
- apiGroups: [export.reltio.com]
  resources: [exportjobs/status]
  verbs: [patch]
{{- end -}}

{{- define "operator.subjects" -}}
- kind: ServiceAccount
  name: {{ include "operator.serviceAccountName" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}
