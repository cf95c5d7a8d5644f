package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	"gopkg.in/yaml.v3"
)

// image is what the reader knows of one entry of containers.db. A mistyped field here fails the whole file.
type image struct {
	ID           string `json:"_id"`
	CreationDate string `json:"creation_date"`
	Architecture string `json:"architecture"`
	Certified    bool   `json:"certified"`
	ImageID      string `json:"image_id"`
	Repositories []struct {
		Registry   string `json:"registry"`
		Repository string `json:"repository"`
		Tags       []struct {
			Name string `json:"name"`
		} `json:"tags"`
	} `json:"repositories"`
}

// page is one file of operators/. The counts are read only because a mistyped one fails the page.
type page struct {
	Page     uint     `json:"page"`
	PageSize uint     `json:"page_size"`
	Total    uint     `json:"total"`
	Data     []bundle `json:"data"`
	NodeName string   `json:"nodeName"`
}

type bundle struct {
	CSV     string `json:"csv_name"`
	OCP     string `json:"ocp_version"`
	Channel string `json:"channel_name"`
}

type chart struct {
	Name        string `yaml:"name"`
	Version     string `yaml:"version"`
	KubeVersion string `yaml:"kubeVersion"`
}

type database struct {
	images  map[string]*image
	bundles []bundle
	charts  map[string][]chart
	skipped []string
}

// load reads the folder whole; one part that cannot be read fails it.
func load(dir string) (*database, error) {
	db := &database{images: map[string]*image{}}
	text, err := os.ReadFile(filepath.Join(dir, "data/containers/containers.db"))
	if err == nil {
		err = json.Unmarshal(text, &db.images)
	}
	if err != nil {
		return nil, fmt.Errorf("containers: %w", err)
	}
	if err := db.loadOperators(filepath.Join(dir, "data/operators")); err != nil {
		return nil, fmt.Errorf("operators: %w", err)
	}
	text, err = os.ReadFile(filepath.Join(dir, "data/helm/helm.db"))
	if err != nil {
		return nil, fmt.Errorf("charts: %w", err)
	}
	if db.charts, err = parseIndex(text); err != nil {
		return nil, fmt.Errorf("charts: %w", err)
	}
	return db, nil
}

func parseIndex(text []byte) (map[string][]chart, error) {
	var index struct {
		Entries map[string][]chart `yaml:"entries"`
	}
	err := yaml.Unmarshal(text, &index)
	return index.Entries, err
}

// chartRows are in the order of the lists' keys, then in that of each list.
func chartRows(charts map[string][]chart) [][]string {
	rows := [][]string{}
	for _, key := range slices.Sorted(maps.Keys(charts)) {
		for _, known := range charts[key] {
			rows = append(rows, []string{key, known.Name, known.Version, known.KubeVersion})
		}
	}
	return rows
}

// contents is all that was read; operators once for each page on which they stand.
func (db *database) contents() answer {
	rows := [][]string{}
	for _, known := range db.bundles {
		rows = append(rows, []string{known.CSV, known.OCP, known.Channel})
	}
	return answer{Answers: []string{"ok"}, Images: db.images, Rows: rows}
}

// loadOperators decodes every entry into the same page, so that what one file leaves out keeps the value of the file
// before it. A file that fails adds nothing by itself, but what it decoded before the fault stays in the page.
func (db *database) loadOperators(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var kept page
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err == nil {
			err = json.Unmarshal(text, &kept)
		}
		if err != nil {
			db.skipped = append(db.skipped, entry.Name())
			continue
		}
		for _, found := range kept.Data {
			if strings.Contains(found.CSV, ".") {
				db.bundles = append(db.bundles, found)
			}
		}
	}
	return nil
}

func (db *database) verdicts(asked question) []string {
	switch asked.Kind {
	case "container":
		return db.container(asked)
	case "operator":
		return db.operator(asked)
	}
	return db.chart(asked)
}

// container looks a digest up as a key; a tag is found by scanning, where a null entry panics if it is met first.
func (db *database) container(asked question) []string {
	if asked.Digest != "" {
		_, found := db.images[asked.Digest]
		return only(found)
	}
	registry, tag := asked.Registry, asked.Tag
	if registry == "registry.redhat.io" {
		registry = "registry.access.redhat.com"
	}
	if tag == "" {
		tag = "latest"
	}
	found, null := false, false
	for _, entry := range db.images {
		if entry == nil {
			null = true
			continue
		}
		found = found || entry.has(registry, asked.Repository, tag)
	}
	switch {
	case null && found:
		return []string{"panic", "true"}
	case null:
		return []string{"panic"}
	}
	return only(found)
}

func (entry *image) has(registry, repository, tag string) bool {
	for _, place := range entry.Repositories {
		if place.Registry != registry || place.Repository != repository {
			continue
		}
		for _, named := range place.Tags {
			if named.Name == tag {
				return true
			}
		}
	}
	return false
}

func (db *database) operator(asked question) []string {
	name, version := splitCSV(asked.CSV)
	for _, known := range db.bundles {
		knownName, knownVersion := splitCSV(known.CSV)
		if knownName == name && knownVersion == version && (asked.OCP == "" || asked.OCP == known.OCP) {
			return only(true)
		}
	}
	return only(false)
}

// splitCSV cuts at the first dot. The version ends where the name and its dot come again: a.v1.a.v2 has version "v1.".
func splitCSV(csv string) (name, version string) {
	name, rest, dotted := strings.Cut(csv, ".")
	if !dotted {
		return csv, ""
	}
	version, _, _ = strings.Cut(rest, name+".")
	return name, version
}

// chart walks the lists in any order, and each list from its start up to the first match or panic.
func (db *database) chart(asked question) []string {
	outcomes := map[string]bool{}
	for _, list := range db.charts {
		for _, known := range list {
			if known.Name != asked.Name || known.Version != asked.Version {
				continue
			}
			verdict := "true"
			if known.KubeVersion != "" {
				verdict = satisfies(known.KubeVersion, asked.Kube)
			}
			if verdict != "false" {
				outcomes[verdict] = true
				break
			}
		}
	}
	if len(outcomes) == 0 {
		return only(false)
	}
	var verdicts []string
	for verdict := range outcomes {
		verdicts = append(verdicts, verdict)
	}
	slices.Sort(verdicts)
	return verdicts
}

// satisfies checks a version as the reader does, which ignores that one of the two does not parse and then crashes.
func satisfies(constraint, version string) (verdict string) {
	defer func() {
		if recover() != nil {
			verdict = "panic"
		}
	}()
	wanted, _ := semver.NewConstraint(constraint)
	given, _ := semver.NewVersion(version)
	return fmt.Sprint(wanted.Check(given))
}

func only(found bool) []string {
	return []string{fmt.Sprint(found)}
}
