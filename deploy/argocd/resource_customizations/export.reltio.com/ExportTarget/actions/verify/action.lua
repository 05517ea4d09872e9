-- Any new value makes the operator verify the target now.
local os = require("os")
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["export.reltio.com/verify-requested-at"] = os.date("!%Y-%m-%dT%H:%M:%SZ")
return obj
