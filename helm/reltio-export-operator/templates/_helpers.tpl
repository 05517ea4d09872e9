{{- define "operator.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- /* The full name with a suffix, cut so that it still fits into a label. Takes: root, suffix. */ -}}
{{- define "operator.suffixed" -}}
{{- $room := sub 62 (len .suffix) | int -}}
{{- printf "%s-%s" (include "operator.fullname" .root | trunc $room | trimSuffix "-") .suffix -}}
{{- end -}}

{{- /* The name of what belongs to the cluster: two namespaces may hold releases of the same name. */ -}}
{{- define "operator.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "operator.fullname" .) -}}
{{- end -}}

{{- /* Labels of all pods of the release: the operator's, the hook's and the test's. */ -}}
{{- define "operator.releaseLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- /* Labels of the operator's own pods, and of no others. */ -}}
{{- define "operator.selectorLabels" -}}
{{ include "operator.releaseLabels" . }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "operator.labels" -}}
{{- $own := include "operator.releaseLabels" . | fromYaml -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") -}}
{{- $_ := set $own "app.kubernetes.io/version" .Chart.AppVersion -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" .Release.Service -}}
{{- merge $own .Values.commonLabels | toYaml -}}
{{- end -}}

{{- /* Metadata of an object. Takes: root, name, and optionally namespace, labels, annotations. */ -}}
{{- define "operator.metadata" -}}
name: {{ .name }}
{{- with .namespace }}
namespace: {{ . }}
{{- end }}
labels:
  {{- merge (dict) (.labels | default dict) (include "operator.labels" .root | fromYaml) | toYaml | nindent 2 }}
{{- with merge (dict) (.annotations | default dict) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "operator.serviceAccountName" -}}
{{- default (include "operator.fullname" .) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "operator.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- /* The settings file. What follows from the release is in environment variables. */ -}}
{{- define "operator.config" -}}
{{- toYaml .Values.settings -}}
{{- end -}}

{{- /* "true" or "false": whether replicas elect the one that acts. */ -}}
{{- define "operator.elects" -}}
{{- ne (toString .Values.settings.leaderElect) "false" -}}
{{- end -}}

{{- /* Without election never two pods at a time, since both would act. The fields of a RollingUpdate are written out, so
that an upgrade to Recreate takes them away: the API server would keep defaults that it has set itself. */ -}}
{{- define "operator.strategy" -}}
{{- $recreate := ternary "Recreate" "RollingUpdate" (eq (include "operator.elects" .) "false") -}}
{{- $type := default $recreate .Values.strategy.type -}}
type: {{ $type }}
{{- if eq $type "RollingUpdate" }}
rollingUpdate:
  {{- range $field := list "maxSurge" "maxUnavailable" }}
  {{ $field }}: {{ dig "rollingUpdate" $field "25%" $.Values.strategy }}
  {{- end }}
{{- end }}
{{- end -}}

{{- /* A mapping without its nulls, which stand for defaults that were taken back. */ -}}
{{- define "operator.withoutNulls" -}}
{{- $kept := dict -}}
{{- range $key, $value := . -}}
{{- if not (kindIs "invalid" $value) -}}
{{- $_ := set $kept $key $value -}}
{{- end -}}
{{- end -}}
{{- toYaml $kept -}}
{{- end -}}

{{- /* The setting allowedRoles as a CEL expression over variables.roleARN. A `*` of a pattern stands for any characters. */ -}}
{{- define "operator.allowedRoles" -}}
{{- $allowed := list -}}
{{- range $namespace, $patterns := . -}}
{{- range $pattern := $patterns -}}
{{- $expression := printf "(?s)^%s$" (regexQuoteMeta $pattern | replace "\\*" ".*") -}}
{{- $matches := printf "variables.roleARN.matches(%s)" (toJson $expression) -}}
{{- if ne $namespace "*" -}}
{{- $matches = printf "(request.namespace == %s && %s)" (toJson $namespace) $matches -}}
{{- end -}}
{{- $allowed = append $allowed $matches -}}
{{- end -}}
{{- end -}}
{{- $allowed | join " || " | default "false" -}}
{{- end -}}
