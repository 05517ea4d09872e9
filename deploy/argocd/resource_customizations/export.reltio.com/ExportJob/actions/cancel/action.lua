-- By annotation, so that the spec stays as it is in Git.
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["export.reltio.com/cancel"] = "true"
return obj
