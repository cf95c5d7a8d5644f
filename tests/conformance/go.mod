module conformance

go 1.24

require (
	github.com/Masterminds/semver/v3 v3.5.0
	gopkg.in/yaml.v3 v3.0.1
)
