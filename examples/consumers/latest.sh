#!/bin/sh
set -eu
aws s3 cp s3://acme-mdm-exports/reltio/_latest/mdm/changes.json - |
  jq -r '.exports[] | "s3://\(.bucket)/\(.prefix)" + .files[]' |
  while read -r file; do aws s3 cp "$file" - | gunzip; done |
  jq -s 'group_by(.uri) | map(max_by(.updatedTime)) | length'
