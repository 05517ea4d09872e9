local actions = {}
local finished = false
for _, condition in ipairs((obj.status or {}).conditions or {}) do
  if (condition.type == "Complete" or condition.type == "Failed") and condition.status == "True" then
    finished = true
  end
end
if finished then
  actions["rerun"] = {iconClass = "fa fa-fw fa-redo", displayName = "Run again"}
  return actions
end
if obj.spec.suspend then
  actions["resume"] = {iconClass = "fa fa-fw fa-play"}
else
  actions["suspend"] = {iconClass = "fa fa-fw fa-pause"}
end
actions["cancel"] = {iconClass = "fa fa-fw fa-stop"}
return actions
