{{/* Prefix of all names. 40 characters leave room for what StatefulSets and the chart append. */}}
{{- define "cairn.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $both := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $both .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "cairn.headless" -}}{{ include "cairn.fullname" . }}-members{{- end }}

{{- define "cairn.image" -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end }}

{{/* What selects pods: of the release, and of one component in it. (dict "root" $ "component" C) */}}
{{- define "cairn.selector" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "cairn.labels" -}}
{{ include "cairn.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{/* How many nodes form the cluster; those behind them join it. */}}
{{- define "cairn.founders" -}}
{{- $founders := int (default .Values.replicaCount .Values.founders) -}}
{{- if gt $founders (int .Values.replicaCount) -}}
{{- fail (printf "founders is %d and replicaCount %d: expected at most as many founders as nodes; a founder is taken out by `cairn cluster remove`, and its pod stays without use" $founders (int .Values.replicaCount)) -}}
{{- end -}}
{{- $founders -}}
{{- end }}

{{/* name=host:port of those that form the cluster: the same on each, and the same for ever. */}}
{{- define "cairn.members" -}}
{{- $members := list -}}
{{- range $i := until (int (include "cairn.founders" .)) -}}
{{- $pod := printf "%s-%d" (include "cairn.fullname" $) $i -}}
{{- $members = append $members (printf "%s=%s.%s.%s.svc.%s:%d" $pod $pod (include "cairn.headless" $) $.Release.Namespace $.Values.clusterDomain (int $.Values.ports.grpc)) -}}
{{- end -}}
{{- join "," $members -}}
{{- end }}

{{- define "cairn.endpoints" -}}
{{ regexReplaceAll "[^,]*=" (include "cairn.members" .) "" }}
{{- end }}

{{/* How a client of the cluster finds its certificates, in a folder where a secret is mounted. */}}
{{- define "cairn.clusterTls" -}}
- {name: CAIRN_CA_FILE, value: {{ . }}/ca.crt}
- {name: CAIRN_CERTIFICATE_FILE, value: {{ . }}/tls.crt}
- {name: CAIRN_KEY_FILE, value: {{ . }}/tls.key}
{{- end }}

{{/* The secret that clients of this release show. */}}
{{- define "cairn.clientSecret" -}}
{{- required "tls.clientSecretName is required with caches and tls.secretName: agents need ca.crt, and a certificate where nodes ask for one" .Values.tls.clientSecretName -}}
{{- end }}

{{/* Ends an upgrade that would give the cluster other members than it was formed with. */}}
{{- define "cairn.checkMembers" -}}
{{- $old := lookup "apps/v1" "StatefulSet" .Release.Namespace (include "cairn.fullname" .) -}}
{{- if $old -}}
{{- $formed := dig "metadata" "annotations" "cairn/members" "" $old -}}
{{- if and $formed (ne $formed (include "cairn.members" .)) -}}
{{- fail (printf "members cannot be changed after the first start: the cluster was formed by %s; keep names, clusterDomain and ports.grpc, and for more nodes set founders to %d and replicaCount to what there shall be" $formed (len (splitList "," $formed))) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Where pods go. (dict "root" $ "component" C) */}}
{{- define "cairn.placement" -}}
{{- $values := .root.Values -}}
{{- with $values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- if eq $values.antiAffinity "required" }}
affinity:
  podAntiAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      - topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels: {{- include "cairn.selector" . | nindent 12 }}
{{- else if eq $values.antiAffinity "preferred" }}
affinity:
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels: {{- include "cairn.selector" . | nindent 14 }}
{{- end }}
{{- if ne $values.zoneSpread "none" }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: topology.kubernetes.io/zone
    whenUnsatisfiable: {{ $values.zoneSpread }}
    labelSelector:
      matchLabels: {{- include "cairn.selector" . | nindent 8 }}
{{- end }}
{{- end }}

{{/* What every pod has. */}}
{{- define "cairn.podSecurity" -}}
serviceAccountName: {{ include "cairn.fullname" . }}
automountServiceAccountToken: false
# Or a service that happens to be called cairnd would look like options of ours.
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ int64 .Values.securityContext.runAsUser }}
  runAsGroup: {{ int64 .Values.securityContext.fsGroup }}
  fsGroup: {{ int64 .Values.securityContext.fsGroup }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* What every container has. */}}
{{- define "cairn.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* Probes of a process of ours by its pages, on the port called http. (dict "root" $) */}}
{{- define "cairn.probes" -}}
{{- $probes := .root.Values.probes -}}
startupProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 5
  failureThreshold: {{ divf $probes.startupSeconds 5 | ceil | int }}
livenessProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: {{ divf $probes.livenessSeconds 10 | ceil | int }}
readinessProbe:
  httpGet: {path: /readyz, port: http}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- end }}

{{/* A cache with what it does not say itself, its name and what follows from its engine, as JSON.
(dict "root" $ "name" NAME) */}}
{{- define "cairn.cache" -}}
{{- $cache := mergeOverwrite (deepCopy .root.Values.cacheDefaults) (deepCopy (index .root.Values.caches .name)) -}}
{{- $redis := eq $cache.engine "redis" -}}
{{- if and (not $redis) (or $cache.tls.secretName $cache.auth.secretName) -}}
{{- fail (printf "caches.%s: tls and auth are for Redis; the standbys of a memcached forward in clear text" .name) -}}
{{- end -}}
{{- $set := dict "name" .name "redis" $redis
  "fullname" (printf "%s-%s" (include "cairn.fullname" .root) .name)
  "component" (printf "cache-%s" .name)
  "log" (default .name $cache.log)
  "port" (default (ternary 6379 11211 $redis) (int $cache.port))
  "engineImage" (default (ternary "redis:7" "memcached:1.6" $redis) $cache.engineImage)
  "engineCommand" (default (ternary "redis-server" "memcached" $redis) $cache.engineCommand) -}}
{{- mergeOverwrite $cache $set | toJson -}}
{{- end }}

{{/* Numbers above a million come as floating point from YAML, and must not become 1e+06. */}}
{{- define "cairn.tomlValue" -}}
{{- if kindIs "string" . }}{{ . | quote }}{{ else if kindIs "bool" . }}{{ . }}{{ else }}{{ int64 . }}{{ end -}}
{{- end }}
