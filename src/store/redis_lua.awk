# SPDX-License-Identifier: MIT
# Makes C strings out of Lua scripts: sql/redis/load.lua becomes redis_lua_load. Comment lines become empty ones, so that Redis counts
# lines as the file does.
FNR == 1 {
    if (NR == 1)
        print "/* generated from sql/redis by redis_lua.awk */\n#include \"store/redis_scripts.h\"";
    else
        print "    \"\";";
    name = FILENAME;
    sub(/.*\//, "", name);
    sub(/\.lua$/, "", name);
    print "\nconst char redis_lua_" name "[] =";
}
FNR > 1 && /^[ \t]*--/ { $0 = "" }
{
    gsub(/\\/, "\\\\");
    gsub(/"/, "\\\"");
    print "    \"" $0 "\\n\"";
}
END { print "    \"\";" }
