-- Health of an ExportTarget: Healthy when an export would work, Degraded when a person has to act.
local status = obj.status or {}
local generation = status.observedGeneration
if generation ~= nil and generation ~= obj.metadata.generation then
  return {status = "Progressing", message = "The operator has not observed the change yet."}
end

local messages, waits = {}, nil
for _, condition in ipairs(status.conditions or {}) do
  if condition.status == "True" then
    messages[condition.type] = condition.message or ""
  elseif condition.type == "Ready" then
    waits = condition.message
  end
end
if messages.Stalled ~= nil then
  return {status = "Degraded", message = messages.Stalled}
end
if messages.Ready ~= nil and messages.Reconciling == nil then
  return {status = "Healthy", message = messages.Ready}
end
if messages.Suspended ~= nil and messages.Reconciling == nil then
  return {status = "Suspended", message = messages.Suspended}
end
return {status = "Progressing", message = messages.Reconciling or waits or "Waiting for the operator."}
