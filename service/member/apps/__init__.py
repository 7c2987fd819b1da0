"""The App Management Console and the App Gallery: connections seen, narrowed, paused, ended, and apps found."""
