{{- /* Combinations of values that the schema cannot refuse. */ -}}
{{- define "operator.check" -}}
{{- if eq (include "operator.elects" .) "false" -}}
{{- if gt (int .Values.replicas) 1 -}}
{{- fail (printf "replicas is %d and settings.leaderElect is false: every replica would act, and exports would run twice. Set replicas to 1, or leave settings.leaderElect at true." (int .Values.replicas)) -}}
{{- end -}}
{{- if ne (default "Recreate" .Values.strategy.type) "Recreate" -}}
{{- fail (printf "strategy.type is %s and settings.leaderElect is false: during a roll-out the old and the new pod would both act. Set strategy.type to Recreate, or leave settings.leaderElect at true." .Values.strategy.type) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.strategy.rollingUpdate (ne (include "operator.strategy" . | fromYaml).type "RollingUpdate") -}}
{{- fail "strategy.rollingUpdate is set, and the Deployment is recreated. Remove strategy.rollingUpdate." -}}
{{- end -}}
{{- if and .Values.caBundle.configMapName .Values.caBundle.secretName -}}
{{- fail "caBundle names both a ConfigMap and a Secret. Set either caBundle.configMapName or caBundle.secretName." -}}
{{- end -}}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) -}}
{{- fail "serviceAccount.create is false, so the operator needs one that exists. Set serviceAccount.name." -}}
{{- end -}}
{{- if and .Values.allowedRolesPolicy.enabled (not .Values.settings.allowedRoles) -}}
{{- fail "allowedRolesPolicy.enabled is true, and settings.allowedRoles is empty, so every role is allowed. Set settings.allowedRoles." -}}
{{- end -}}
{{- $instead := dict "RELTIO_EXPORT_NAMESPACES" "watch.namespaces" "RELTIO_EXPORT_METRICS_PORT" "metrics.port" "RELTIO_EXPORT_LEADER_ELECT" "settings.leaderElect" "RELTIO_EXPORT_CA_BUNDLE" "caBundle" "RELTIO_EXPORT_CONFIG" "settings" -}}
{{- $seen := dict -}}
{{- range include "operator.ownEnv" . | fromYamlArray -}}
{{- $_ := set $seen .name "" -}}
{{- end -}}
{{- range .Values.extraEnv -}}
{{- if hasKey $instead .name -}}
{{- fail (printf "extraEnv sets %s, which the chart sets. Set %s instead." .name (get $instead .name)) -}}
{{- end -}}
{{- if hasKey $seen .name -}}
{{- fail (printf "extraEnv sets %s, which is set already. Remove it from extraEnv." .name) -}}
{{- end -}}
{{- $_ := set $seen .name "" -}}
{{- end -}}
{{- range .Values.extraVolumes -}}
{{- if has .name (list "tmp" "config") -}}
{{- fail (printf "extraVolumes names a volume %s, which the chart has itself. Choose another name." .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
