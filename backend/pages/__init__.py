"""The web pages: rider, agent and control room, served as plain ES modules without a build step."""
