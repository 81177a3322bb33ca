# SPDX-License-Identifier: MIT
# Web server and service configurations: @…@ in them become the paths of configure, when make runs.
FCGI_CONF = \
    fcgi-conf/lighttpd/turnkeeper.conf \
    fcgi-conf/apache/turnkeeper.conf \
    fcgi-conf/nginx/turnkeeper.conf \
    fcgi-conf/lighttpd/demo.conf fcgi-conf/apache/demo.conf fcgi-conf/nginx/demo.conf \
    fcgi-conf/systemd/turnkeeper-fcgi@.socket \
    fcgi-conf/systemd/turnkeeper-fcgi@.service \
    fcgi-conf/systemd/turnkeeperd.service \
    fcgi-conf/systemd/turnkeeper.sysusers \
    fcgi-conf/systemd/turnkeeper.tmpfiles
FCGI_START = fcgi-conf/spawn-fcgi/turnkeeper-responders

examplesdir = $(docdir)/examples
nobase_nodist_examples_DATA = $(FCGI_CONF)
nobase_nodist_examples_SCRIPTS = $(FCGI_START)
nobase_dist_examples_DATA = \
    environment.example \
    contrib/cron/turnkeeper \
    fcgi-conf/README.md \
    fcgi-conf/shared-hosting/README.md \
    fcgi-conf/shared-hosting/app.fcgi \
    fcgi-conf/shared-hosting/crontab \
    fcgi-conf/shared-hosting/htaccess \
    fcgi-conf/shared-hosting/turnkeeper.conf

SUFFIXES = .in
.in:
	@$(MKDIR_P) $(@D)
	$(AM_V_GEN)sed -e 's|[@]bindir[@]|$(bindir)|g' -e 's|[@]sbindir[@]|$(sbindir)|g' -e 's|[@]pkglibexecdir[@]|$(pkglibexecdir)|g' \
	    -e 's|[@]pkgdatadir[@]|$(pkgdatadir)|g' -e 's|[@]sysconfdir[@]|$(sysconfdir)|g' -e 's|[@]localstatedir[@]|$(localstatedir)|g' \
	    -e 's|[@]runstatedir[@]|$(runstatedir)|g' $< >$@.tmp && mv $@.tmp $@
$(FCGI_CONF) $(FCGI_START): Makefile

CLEANFILES = $(FCGI_CONF) $(FCGI_START)
EXTRA_DIST += .env.example $(FCGI_CONF:=.in) $(FCGI_START:=.in) fcgi-conf/apache/standalone.conf.in fcgi-conf/lighttpd/standalone.conf.in
