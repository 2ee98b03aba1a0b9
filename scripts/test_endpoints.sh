#!/bin/sh
# Checks a running Talas from outside, the way its users reach it:
#
#     scripts/test_endpoints.sh
#     BASE_URL=https://talas.example WS_URL=wss://chat.talas.example scripts/test_endpoints.sh
#     ADMIN_EMAIL=ada@example.org ADMIN_PASSWORD=... scripts/test_endpoints.sh
#
# Needs curl and Python 3, nothing installed. Prints one line a check and ends with 1 if one failed.
# Checks 3 and 7 need an administrator's account to be whole; without one they hold only that nobody
# else may do what it may. It makes two accounts, a track and, as administrator, a product with its
# category, and deletes them again. What stays is a private room that nobody is in any more, and
# rows of the audit log.
set -u

BASE_URL="${BASE_URL:-http://localhost:8080}"
WS_URL="${WS_URL:-ws://localhost:9001}"
API="${BASE_URL%/}/api/v1"
READY_WITHIN_S=60
FOUND_WITHIN_S=5

helper="$(dirname "$0")/endpoint_helper.py"
work="$(mktemp -d)" || exit 1
run="$(date +%s)-$$"
password="correct horse $run"
failures=0 token_a='' token_b='' token_admin='' track='' user_b='' product='' category='' note=''

# --- How a check speaks

say_ok() { printf 'ok      %s\n' "$1"; }
say_failed() {
    printf 'FAILED  %s: %s\n' "$1" "$2"
    failures=$((failures + 1))
}

# check TITLE FUNCTION: the function leaves in $problem what did not hold.
check() {
    problem='' note=''
    "$2"
    if [ -z "$problem" ]; then say_ok "$1$note"; else say_failed "$1" "$problem"; fi
}

# request METHOD URL [curl's arguments]: leaves $status, and the body in $work/body.
request() {
    method="$1" url="$2"
    shift 2
    : >"$work/body"
    status="$(curl -sS -X "$method" --max-time 60 -o "$work/body" -D "$work/head" \
        -w '%{http_code}' "$@" "$url" 2>"$work/curl")" || status="no answer ($(cat "$work/curl"))"
}

# expect STATUS METHOD PATH [curl's arguments]: the same under /api/v1; false if it comes otherwise.
expect() {
    wanted="$1" route="$2 $3"
    method="$2" path="$3"
    shift 3
    request "$method" "$API$path" "$@"
    [ "$status" = "$wanted" ] && return
    problem="$route: expected $wanted, got $status $(head -c 300 "$work/body")"
    return 1
}

field() { python3 "$helper" json "$work/body" "$1"; }

# expect_field NAME VALUE: of the last answer.
expect_field() {
    got="$(field "$1")"
    [ "$got" = "$2" ] && return
    problem="$route: expected $1 to be '$2', got '$got'"
    return 1
}

# expect_absent PATTERN: anywhere in the last answer.
expect_absent() {
    grep -q "$1" "$work/body" || return 0
    problem="$route: expected nothing like '$1' in the answer, got $(head -c 300 "$work/body")"
    return 1
}

as_json='Content-Type: application/json'

# --- The seed's checks

sign_up_and_in() { # NAME: leaves the token in $token and the account's id in $user
    name="$1"
    expect 201 POST /auth/register -H "$as_json" -d \
        "{\"username\":\"$name\",\"email\":\"$name@example.org\",\"password\":\"$password\"}" &&
        expect_field data.username "$name" || return
    user="$(field data.user_id)"
    expect 200 POST /auth/login -H "$as_json" -d \
        "{\"email\":\"$name@example.org\",\"password\":\"$password\"}" &&
        expect_field data.user.username "$name" || return
    token="$(field data.access_token)"
    refresh="$(field data.refresh_token)"
}

check_accounts() {
    expect 401 POST /auth/login -H "$as_json" -d \
        '{"email":"nobody@example.org","password":"wrong"}' &&
        expect_field error 'Invalid credentials' || return
    sign_up_and_in "check-b-$run" || return
    token_b="$token" user_b="$user"
    sign_up_and_in "check-a-$run" || return
    token_a="$token"
    expect 409 POST /auth/register -H "$as_json" -d \
        "{\"username\":\"check-a-$run\",\"email\":\"c-$run@example.org\",\"password\":\"$password\"}" &&
        expect 200 POST /auth/refresh -H "$as_json" -d "{\"refresh_token\":\"$refresh\"}"
}

check_profile() {
    expect 401 GET /users/me && expect_field error 'Missing authorization header' || return
    expect 200 PUT /users/me -H "Authorization: Bearer $token_a" -H "$as_json" -d \
        '{"first_name":"Ada","bio":"Été, 日本, 🎛","role":"super_admin"}' &&
        expect 200 GET /auth/me -H "Authorization: Bearer $token_a" &&
        expect_field data.first_name Ada &&
        expect_field data.bio 'Été, 日本, 🎛' &&
        expect_field data.role user &&
        expect 200 GET "/users?search=check-b-$run" -H "Authorization: Bearer $token_a" &&
        expect_field data.0.id "$user_b" &&
        expect_field pagination.total 1
}

# as WHOSE METHOD PATH STATUS [JSON]: with the token of a, b or admin.
as() {
    eval "bearer=\$token_$1"
    if [ -n "${5-}" ]; then
        expect "$4" "$2" "$3" -H "Authorization: Bearer $bearer" -H "$as_json" -d "$5"
    else
        expect "$4" "$2" "$3" -H "Authorization: Bearer $bearer"
    fi
}

sign_in_admin() {
    [ -n "${ADMIN_EMAIL:-}" ] || return 0
    # A password may hold what JSON writes in its own way.
    python3 "$helper" admin >"$work/admin"
    if ! expect 200 POST /auth/login -H "$as_json" --data-binary "@$work/admin"; then
        problem="ADMIN_EMAIL and ADMIN_PASSWORD do not sign in: $problem"
        return 1
    fi
    token_admin="$(field data.access_token)"
}

check_gear() {
    as a POST /admin/products 403 '{"name":"Not for me"}' &&
        expect 200 GET '/products/search?q=' &&
        as a POST /user-products 404 '{"product_id":2147483647}' &&
        as a GET /user-products 200 && expect_field pagination.total 0 &&
        sign_in_admin || return
    if [ -z "$token_admin" ]; then
        note=' (in part: set ADMIN_EMAIL and ADMIN_PASSWORD for the whole)'
        return
    fi
    as admin POST /admin/categories 201 "{\"name\":\"Recorders $run\"}" || return
    category="$(field data.id)"
    as admin POST /admin/products 201 "{\"name\":\"Field Recorder $run\",\"brand\":\"Talas\",
        \"category_id\":$category,\"warranty_months\":24,\"specifications\":{\"tracks\":4}}" || return
    product="$(field data.id)"
    as a POST /user-products 201 \
        "{\"product_id\":$product,\"purchase_date\":\"2024-01-31\",\"serial_number\":\"T-1\"}" &&
        expect_field data.warranty_expires 2026-01-31 &&
        expect_field data.category_name "Recorders $run" || return
    gear="$(field data.id)"
    as a POST /user-products 409 "{\"product_id\":$product}" &&
        as a PUT "/user-products/$gear" 200 '{"status":"sold"}' &&
        as a GET '/user-products?status=sold' 200 && expect_field data.0.id "$gear" &&
        as a GET '/user-products/warranty?filter=expired' 200 &&
        as b GET "/user-products/$gear" 404 &&
        as b DELETE "/user-products/$gear" 404 &&
        check_gear_files &&
        as a DELETE "/user-products/$gear" 409 &&
        as a DELETE "/user-products/$gear?force=true" 200 &&
        as a GET "/user-products/$gear" 404
}

check_gear_files() {
    printf '%%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%%%EOF\n' >"$work/manual.pdf"
    expect 201 POST "/products/$gear/files" -H "Authorization: Bearer $token_a" \
        -F "file=@$work/manual.pdf" -F type=manual &&
        expect_field data.mime_type application/pdf || return
    file="$(field data.id)"
    as b GET "/files/$file/download" 404 &&
        as b DELETE "/files/$file" 404 &&
        as a GET "/products/$gear/files" 200 && expect_field data.0.filename manual.pdf &&
        as a GET "/files/$file/download" 200 || return
    if ! cmp -s "$work/body" "$work/manual.pdf"; then
        problem="$route: expected the bytes that were uploaded, got others"
        return 1
    fi
    expect 415 POST "/products/$gear/files" -H "Authorization: Bearer $token_a" \
        -F "file=@$work/manual.pdf;filename=manual.exe" -F type=manual
}

check_files() {
    python3 "$helper" wav "$work/tone.wav" 3
    expect 201 POST /tracks -H "Authorization: Bearer $token_a" \
        -F "file=@$work/tone.wav" -F "title=Tone $run" -F 'tags=check,tone' \
        -F visibility=private || return
    track="$(field data.id)"
    wait_until_ready || return
    expect_field data.duration 3 &&
        expect 200 GET "/tracks/$track/waveform" -H "Authorization: Bearer $token_a" &&
        expect_field version 2 &&
        expect 404 GET "/tracks/$track" -H "Authorization: Bearer $token_b" &&
        expect 200 GET "/tracks/$track/stream" -H "Authorization: Bearer $token_a" || return
    if ! cmp -s "$work/body" "$work/tone.wav"; then
        problem="$route: expected the bytes that were uploaded, got others"
        return
    fi
    expect 206 GET "/tracks/$track/stream" -H "Authorization: Bearer $token_a" -r 8-11 || return
    got="$(cat "$work/body")"
    if [ "$got" != WAVE ]; then
        problem="$route, bytes 8-11: expected 'WAVE', got '$got'"
        return
    fi
    printf '<html>not a song</html>' >"$work/page.mp3"
    expect 415 POST /tracks -H "Authorization: Bearer $token_a" -F "file=@$work/page.mp3"
}

wait_until_ready() {
    waited=0
    while expect 200 GET "/tracks/$track" -H "Authorization: Bearer $token_a"; do
        case "$(field data.status)" in
        ready) return ;;
        failed)
            problem="$route: expected status 'ready', got 'failed': $(field data.error)"
            return 1
            ;;
        esac
        if [ "$waited" -ge "$READY_WITHIN_S" ]; then
            problem="$route: expected status 'ready' within $READY_WITHIN_S s, got '$(field data.status)'"
            return 1
        fi
        sleep 1
        waited=$((waited + 1))
    done
    return 1
}

check_chat() {
    room="check $run"
    expect 201 POST /chat/rooms -H "Authorization: Bearer $token_a" -H "$as_json" \
        -d "{\"name\":\"$room\",\"is_private\":true}" || return
    problem="$(TOKEN_A="$token_a" TOKEN_B="$token_b" \
        python3 "$helper" chat "$WS_URL" "$room" "$user_b" 2>&1)"
    [ -z "$problem" ] || return
    expect 200 GET "/chat/rooms/check%20$run/messages" -H "Authorization: Bearer $token_a" &&
        expect_field data.0.username "check-a-$run"
}

check_search() {
    find_soon "/search?q=check-b-$run&type=users" data.users.0.username "check-b-$run" &&
        find_soon "/search?q=Tnoe%20$run&type=tracks" data.tracks.0.id "$track" || return
    if [ -n "$product" ]; then
        find_soon "/search?q=recoder%20$run&type=products" data.products.0.id "$product" || return
    fi
    as b GET "/search?q=Tone%20$run&type=tracks" 200 &&
        expect_absent "\"id\": *$track," &&
        as a GET '/search?q=x&type=nothing' 400 &&
        as a GET '/search?q=' 400 &&
        as a GET '/tags/search?q=che' 200 && expect_field data.0.name check
}

# find_soon PATH FIELD VALUE: what has just been written is found within a few seconds.
find_soon() {
    waited=0
    while as a GET "$1" 200; do
        expect_field "$2" "$3" && problem='' && return
        [ "$waited" -lt "$FOUND_WITHIN_S" ] || return 1
        sleep 1
        waited=$((waited + 1))
    done
    return 1
}

check_admin() {
    as a GET /admin/dashboard 403 &&
        as a GET /admin/users 403 &&
        as a PUT "/admin/users/$user_b" 403 '{"role":"admin"}' &&
        as a GET /admin/audit 403 || return
    if [ -z "$token_admin" ]; then
        note=' (in part: set ADMIN_EMAIL and ADMIN_PASSWORD for the whole)'
        return
    fi
    as admin GET /admin/dashboard 200 || return
    for name in users_count products_count files_count tracks_count new_users_today \
        active_sessions; do
        case "$(field "data.$name")" in
        '' | *[!0-9]*)
            problem="$route: expected $name to be a number, got '$(field "data.$name")'"
            return
            ;;
        esac
    done
    as admin PUT "/admin/users/$user_b" 200 '{"role":"moderator"}' &&
        expect_field data.role moderator &&
        as admin GET "/admin/users?role=moderator&search=check-b-$run" 200 &&
        expect_field data.0.id "$user_b" &&
        as b PUT "/admin/users/$user_b" 403 '{"role":"admin"}' &&
        as admin PUT "/admin/users/$user_b" 200 '{"role":"user"}' &&
        as admin GET '/admin/products?status=active' 200
}

check_clean_up() {
    if [ -n "$product" ]; then
        as admin DELETE "/admin/products/$product" 200 && product='' &&
            as admin DELETE "/admin/categories/$category" 200
    fi
    if [ -n "$track" ]; then
        expect 200 DELETE "/tracks/$track" -H "Authorization: Bearer $token_a" &&
            expect 404 GET "/tracks/$track" -H "Authorization: Bearer $token_a" && track=''
    fi
    delete_account "$token_a" && token_a=''
    delete_account "$token_b" && token_b=''
}

delete_account() { # TOKEN
    [ -n "$1" ] || return 0
    expect 200 DELETE /users/me -H "Authorization: Bearer $1" -H "$as_json" \
        -d "{\"password\":\"$password\"}" &&
        expect 401 GET /users/me -H "Authorization: Bearer $1"
}

# --- The run

# However it ends, nothing stays.
leave() {
    if [ -n "$token_a$token_b" ]; then check_clean_up; fi
    rm -rf "$work"
}
trap leave EXIT
trap 'exit 130' INT TERM HUP

for needed in curl python3; do
    if ! command -v "$needed" >/dev/null 2>&1; then
        echo "This needs $needed, and there is none on this machine." >&2
        exit 2
    fi
done
request GET "${BASE_URL%/}/ready"
if [ "$status" != 200 ]; then
    echo "No Talas is ready at $BASE_URL: GET /ready gives $status $(head -c 200 "$work/body")" >&2
    echo "Start one with \`make serve\`, or say where it is with BASE_URL and WS_URL." >&2
    exit 2
fi

check '1 sign up, log in, refresh' check_accounts
if [ -z "$token_a" ]; then
    echo 'The rest needs an account.' >&2
    exit 1
fi
check '2 profile' check_profile
check '3 gear and its files' check_gear
check '4 upload and download (a track)' check_files
check '5 chat over WebSocket' check_chat
check '6 search' check_search
check '7 administration' check_admin
check 'clean up' check_clean_up

if [ "$failures" -gt 0 ]; then exit 1; fi
