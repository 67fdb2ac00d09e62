{{/* Arguments of the engines and of their agent. The engines listen to nothing but their socket, and
keep nothing on disk: the log has it. */}}
{{- define "cairn.redisArgs" -}}
{{- with .auth.secretName -}}
- /etc/engine/redis.conf
{{ end -}}
- --port
- "0"
- --unixsocket
- /run/engine/engine.sock
- --unixsocketperm
- "700"
- --dir
- /run/engine
- --save
- ""
- --appendonly
- "no"
- --maxmemory
- {{ int64 .memoryMi }}mb
- --maxmemory-policy
- noeviction
{{- end }}

{{- define "cairn.memcachedArgs" -}}
- -s
- /run/engine/engine.sock
- -a
- "0700"
- -B
- ascii
- -m
- {{ int64 .memoryMi | quote }}
{{- end }}

{{/* (dict "root" $ "cache" CACHE) */}}
{{- define "cairn.agentArgs" -}}
{{- $cache := .cache -}}
{{- $listen := .root.Values.listenAddress -}}
- --config=/etc/cairn/agent.toml
- --log={{ $cache.log }}
- --data-dir=/var/lib/cairn/agent
- --engine=unix:/run/engine/engine.sock
- --listen={{ $listen }}:{{ $cache.port }}
- --advertise=$(POD_NAME).{{ $cache.fullname }}-agents.{{ .root.Release.Namespace }}.svc.{{ .root.Values.clusterDomain }}:{{ $cache.port }}
- --metrics-listen={{ $listen }}:{{ $cache.httpPort }}
{{- if $cache.redis }}
- --sentinel-listen={{ $listen }}:{{ $cache.sentinelPort }}
{{- end }}
{{- if $cache.tls.secretName }}
- --tls-cert=/etc/cairn-tls/tls.crt
- --tls-key=/etc/cairn-tls/tls.key
{{- if $cache.tls.requireClientCertificate }}
- --tls-ca=/etc/cairn-tls/ca.crt
{{- end }}
{{- end }}
{{- if $cache.auth.secretName }}
- --engine-password-file=/etc/engine/password
{{- end }}
{{- end }}
