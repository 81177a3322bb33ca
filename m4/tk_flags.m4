# SPDX-License-Identifier: MIT
# Probes of compiler and linker flags, one flag at a time. An unknown warning flag is only a warning to clang, hence -Werror.

# TK_TRY_CFLAGS(FLAGS): appends those that compile to TK_CFLAGS.
AC_DEFUN([TK_TRY_CFLAGS], [
for tk_flag in $1; do
    tk_saved=$CFLAGS
    CFLAGS="$CFLAGS -Werror $tk_flag"
    AC_MSG_CHECKING([whether $CC takes $tk_flag])
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])], [tk_ok=yes], [tk_ok=no])
    AC_MSG_RESULT([$tk_ok])
    CFLAGS=$tk_saved
    AS_IF([test "x$tk_ok" = xyes], [AS_VAR_APPEND([TK_CFLAGS], [" $tk_flag"])])
done
])

# TK_TRY_LDFLAGS(FLAGS): appends those that link (with TK_CFLAGS) to TK_LDFLAGS.
AC_DEFUN([TK_TRY_LDFLAGS], [
for tk_flag in $1; do
    tk_saved=$CFLAGS tk_saved_ld=$LDFLAGS
    CFLAGS="$CFLAGS -Werror $TK_CFLAGS" LDFLAGS="$LDFLAGS $tk_flag"
    AC_MSG_CHECKING([whether the linker takes $tk_flag])
    AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])], [tk_ok=yes], [tk_ok=no])
    AC_MSG_RESULT([$tk_ok])
    CFLAGS=$tk_saved LDFLAGS=$tk_saved_ld
    AS_IF([test "x$tk_ok" = xyes], [AS_VAR_APPEND([TK_LDFLAGS], [" $tk_flag"])])
done
])

# TK_TRY_LINKED(FLAG): one flag for the compiler and the linker; sets tk_ok.
AC_DEFUN([TK_TRY_LINKED], [
    tk_saved=$CFLAGS
    CFLAGS="$CFLAGS -Werror $1"
    AC_MSG_CHECKING([whether $CC compiles and links with $1])
    AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])], [tk_ok=yes], [tk_ok=no])
    AC_MSG_RESULT([$tk_ok])
    CFLAGS=$tk_saved
    AS_IF([test "x$tk_ok" = xyes], [AS_VAR_APPEND([TK_CFLAGS], [" $1"]) AS_VAR_APPEND([TK_LDFLAGS], [" $1"])])
])

# TK_TRY_FORTIFY: only with optimisation, and not where the builder or the compiler has chosen a level already.
AC_DEFUN([TK_TRY_FORTIFY], [
    AC_MSG_CHECKING([whether to set _FORTIFY_SOURCE=3])
    AC_COMPILE_IFELSE([AC_LANG_SOURCE([[
#if defined _FORTIFY_SOURCE || !defined __OPTIMIZE__
#error no
#endif
]])], [tk_ok=yes], [tk_ok=no])
    AC_MSG_RESULT([$tk_ok])
    AS_IF([test "x$tk_ok" = xyes], [AS_VAR_APPEND([TK_CPPFLAGS], [" -D_FORTIFY_SOURCE=3"])])
])
