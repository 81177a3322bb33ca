#!/bin/sh
# What mod_fcgid starts: it passes on hardly any environment, so the configuration is named here. Mode 0755; neither this file nor its
# directory may be writable by a group (suEXEC refuses them otherwise). Set the two paths; keep both outside of the document root.
TURNKEEPER_CONF=/home/USER/turnkeeper/turnkeeper.conf exec /home/USER/turnkeeper/turnkeeper.fcgi
