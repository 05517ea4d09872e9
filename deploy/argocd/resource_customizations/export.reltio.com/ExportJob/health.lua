-- Health of an ExportJob: Healthy when the data has arrived, Degraded when a person has to act.
-- The annotation export.reltio.com/wait-for: Submission lets a sync continue once Reltio has accepted the export.
local status = obj.status or {}
local generation = status.observedGeneration
if generation ~= nil and generation ~= obj.metadata.generation then
  return {status = "Progressing", message = "The operator has not observed the change yet."}
end

local messages = {}
for _, condition in ipairs(status.conditions or {}) do
  if condition.status == "True" then
    messages[condition.type] = condition.message or ""
  end
end
for _, verdict in ipairs({
  {"Failed", "Degraded"},
  {"Complete", "Healthy"},
  {"Stalled", "Degraded"},
}) do
  if messages[verdict[1]] ~= nil then
    return {status = verdict[2], message = messages[verdict[1]]}
  end
end
if messages.Suspended ~= nil and messages.Reconciling == nil then
  return {status = "Suspended", message = messages.Suspended}
end

local annotations = obj.metadata.annotations or {}
local submission = status.submission or {}
if annotations["export.reltio.com/wait-for"] == "Submission" and submission.submittedTime ~= nil then
  return {status = "Healthy", message = "The export is submitted. " .. (status.message or "")}
end
return {status = "Progressing", message = status.message or "Waiting for the operator."}
