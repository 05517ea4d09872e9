-- A new job with the spec of this one. It has no tracking label, so that no sync prunes it.
local os = require("os")
local spec = obj.spec
spec.cancel = nil
spec.suspend = nil
local base = string.gsub(string.sub(obj.metadata.name, 1, 48), "[-.]+$", "")
local job = {
  apiVersion = obj.apiVersion,
  kind = obj.kind,
  metadata = {
    name = base .. "-" .. os.date("!%Y%m%d%H%M%S"),
    namespace = obj.metadata.namespace,
  },
  spec = spec,
}
return {{operation = "create", resource = job}}
