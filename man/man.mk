# SPDX-License-Identifier: MIT
# Manual pages: @...@ in them become the paths of configure; the list of settings comes from the table in src/settings.c.
MAN_PAGES = man/turnkeeper.fcgi.8 man/turnkeeperd.8 man/turnkeeperctl.1
man_MANS = $(MAN_PAGES) man/turnkeeper.conf.5
$(MAN_PAGES): Makefile
man/turnkeeper.conf.5: man/turnkeeper.conf.5.in man/settings.awk src/settings.c Makefile
	@$(MKDIR_P) $(@D)
	$(AM_V_GEN)LC_ALL=C $(AWK) -f $(srcdir)/man/settings.awk $(srcdir)/src/settings.c $(srcdir)/man/turnkeeper.conf.5.in | \
	    sed -e 's|[@]pkgdatadir[@]|$(pkgdatadir)|g' -e 's|[@]sysconfdir[@]|$(sysconfdir)|g' \
	    -e 's|[@]localstatedir[@]|$(localstatedir)|g' -e 's|[@]runstatedir[@]|$(runstatedir)|g' >$@.tmp && mv $@.tmp $@

CLEANFILES += $(man_MANS)
EXTRA_DIST += $(MAN_PAGES:=.in) man/turnkeeper.conf.5.in man/settings.awk
