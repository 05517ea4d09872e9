local actions = {}
if obj.spec.suspend then
  actions["resume"] = {iconClass = "fa fa-fw fa-play"}
else
  actions["suspend"] = {iconClass = "fa fa-fw fa-pause"}
  actions["verify"] = {iconClass = "fa fa-fw fa-check", displayName = "Verify now"}
end
return actions
