{{- /* Of every pod: where and how it runs. */ -}}
{{- define "operator.podBase" -}}
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with include "operator.podSecurityContext" . | fromYaml }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.dnsPolicy }}
dnsPolicy: {{ . }}
{{- end }}
{{- with .Values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* Of the pods of the operator and of its pre-delete hook: as whom they run, and with what. */ -}}
{{- define "operator.podSpec" -}}
serviceAccountName: {{ include "operator.serviceAccountName" . }}
automountServiceAccountToken: true
{{ include "operator.podBase" . }}
volumes:
  - name: tmp
    emptyDir:
      sizeLimit: 64Mi
  - name: config
    projected:
      sources:
        - configMap:
            name: {{ include "operator.fullname" . }}
        {{- include "operator.caSource" . | nindent 8 }}
  {{- with .Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- /* On OpenShift, whose security context constraints choose the ids, the chart's own ones are left out. */ -}}
{{- define "operator.podSecurityContext" -}}
{{- $kept := include "operator.withoutNulls" .Values.podSecurityContext | fromYaml -}}
{{- if .Capabilities.APIVersions.Has "security.openshift.io/v1" -}}
{{- range $field := list "runAsUser" "runAsGroup" "fsGroup" -}}
{{- if eq (get $kept $field | toString) "65532" -}}
{{- $_ := unset $kept $field -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $kept -}}
{{- end -}}

{{- define "operator.caSource" -}}
{{- with .Values.caBundle.configMapName }}
- configMap:
    name: {{ . }}
    items:
      - key: {{ $.Values.caBundle.key }}
        path: ca/ca.crt
{{- end }}
{{- with .Values.caBundle.secretName }}
- secret:
    name: {{ . }}
    items:
      - key: {{ $.Values.caBundle.key }}
        path: ca/ca.crt
{{- end }}
{{- end -}}

{{- define "operator.container" -}}
image: {{ include "operator.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- with include "operator.withoutNulls" .Values.securityContext | fromYaml }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "operator.environment" -}}
env:
  {{- include "operator.ownEnv" . | nindent 2 }}
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .Values.envFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  - name: tmp
    mountPath: /tmp
  - name: config
    mountPath: /etc/reltio-export-operator
    readOnly: true
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- /* The variables that follow from the release. */ -}}
{{- define "operator.ownEnv" -}}
- name: POD_ID # kopf names itself after it
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: RELTIO_EXPORT_CONFIG
  value: /etc/reltio-export-operator/config.yaml
- name: RELTIO_EXPORT_LEASE_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: RELTIO_EXPORT_LEASE_NAME
  value: {{ include "operator.fullname" . }}
- name: RELTIO_EXPORT_NAMESPACES
  value: {{ join "," .Values.watch.namespaces | quote }}
- name: RELTIO_EXPORT_METRICS_PORT
  value: {{ .Values.metrics.port | quote }}
{{- if or .Values.caBundle.configMapName .Values.caBundle.secretName }}
- name: RELTIO_EXPORT_CA_BUNDLE
  value: /etc/reltio-export-operator/ca/ca.crt
{{- end }}
{{- end -}}
