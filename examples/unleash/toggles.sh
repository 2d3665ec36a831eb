#!/usr/bin/env bash
# toggles.sh URL ADMIN_TOKEN creates the example's toggles in an Unleash server
# and switches them on, all but the last. URL is such as
# http://127.0.0.1:4242/api; the environment is "development".
set -euo pipefail
features=${1:?URL}/admin/projects/default/features
token=${2:?ADMIN_TOKEN}

call() { # METHOD URL [JSON]
  curl -fsS -o /dev/null -X "$1" "$2" -H "Authorization: $token" -H 'Content-Type: application/json' ${3:+-d "$3"}
}

toggle() { # NAME STRATEGY
  call POST "$features" "{\"name\": \"$1\", \"type\": \"experiment\"}"
  call POST "$features/$1/environments/development/strategies" "$2"
  call POST "$features/$1/environments/development/on"
}

toggle shop_pill_color '{
  "name": "flexibleRollout",
  "parameters": {"rollout": "50", "stickiness": "default", "groupId": "shop_pill_color"},
  "variants": [
    {"name": "blue", "weight": 500, "weightType": "variable", "stickiness": "default"},
    {"name": "red", "weight": 500, "weightType": "variable", "stickiness": "default"}
  ]
}'
toggle shop_one_page_checkout '{
  "name": "default",
  "constraints": [{"contextName": "plan", "operator": "IN", "values": ["gold"]}]
}'
toggle shop_banner '{"name": "default"}'
toggle shop_confetti '{"name": "default"}'
call POST "$features/shop_confetti/environments/development/off"
