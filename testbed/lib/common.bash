# Sourced by the front ends of the testbed: paths, privilege and the build.
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
testbed=$repository/testbed
results=$testbed/results
cd "$repository"

# Namespaces, routes and raw sockets need root; building does not, and should not leave root's files in .build.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo env "PATH=$PATH" "$@"
  else
    echo "$0: this part needs root (network namespaces), and there is no sudo" >&2
    return 1
  fi
}

# Debian's, which testbed/install brings: another one that is first in PATH may load a lot at each start, and in the guest
# every process of a scenario pays for it. The compiled modules are kept.
python=/usr/bin/python3
python_settings=("PYTHONPATH=$testbed" PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE= "PYTHONPYCACHEPREFIX=$testbed/.cache/python")

# python_module MODULE ARGUMENTS...: a module of testbed/lib.
python_module() {
  local module=$1
  shift
  as_root env "${python_settings[@]}" "$python" -m "lib.$module" "$@"
}

# inside_guest COMMAND ARGUMENTS...: with what modules of testbed/lib need.
inside_guest() {
  "$testbed/guest" -- env "${python_settings[@]}" "$@"
}

in_guest() { inside_guest "$python" -m "lib.$1" "${@:2}"; }

build_release() {
  echo "building (release)"
  swift build -c release 2>&1 | sed 's/^/  /'
}
