{{- /* What the operator does in a namespace that it watches. */ -}}
{{- define "operator.rules" -}}
- apiGroups: [export.reltio.com]
  resources: [exporttargets]
  verbs: [get, list, watch]
- apiGroups: [export.reltio.com]
  resources: [exportjobs]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [export.reltio.com]
  resources: [exporttargets/status, exportjobs/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]
- apiGroups: [""]
  resources: [events]
  verbs: [create]
{{- end -}}

{{- define "operator.subjects" -}}
- kind: ServiceAccount
  name: {{ include "operator.serviceAccountName" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}
