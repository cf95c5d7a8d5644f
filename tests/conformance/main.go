// Command conformance answers questions about an offline database, one JSON question a line, one JSON answer a line.
//
// It is an independent model of certsuite's offline reader, not certsuite's own module. The parts in which Go differs
// from other languages are the real ones: encoding/json, gopkg.in/yaml.v3 and Masterminds/semver. The rules around
// them are written from published facts and held against recorded verdicts of the real reader (see reader_test.go).
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
)

// question is one line of input. Kind decides which of the other fields count.
type question struct {
	Kind string `json:"kind"` // load, container, operator, chart, semver, index, contents

	Dir  string `json:"dir"`  // load: the folder that holds data/
	YAML []byte `json:"yaml"` // index: a chart index, in base64

	Registry   string `json:"registry"`
	Repository string `json:"repository"`
	Tag        string `json:"tag"`
	Digest     string `json:"digest"`

	CSV string `json:"csv"`
	OCP string `json:"ocp"` // major.minor; empty asks for any

	Name string `json:"name"`
	Kube string `json:"kube"`

	Version    string `json:"version"` // chart: the chart's version; semver: the version to check
	Constraint string `json:"constraint"`
}

// answer is one line of output. Go walks a map in random order, so one question can have two possible answers, such as
// true and panic; all of them are listed, in alphabetical order.
type answer struct {
	Answers []string `json:"answers"`           // ok, load-error, true, false, panic, error
	Error   string   `json:"error,omitempty"`   // with load-error and error
	Skipped []string `json:"skipped,omitempty"` // with ok: entries of operators/ that were passed over
	// Of an index: key of the list, name, version and kubeVersion of each chart; of contents: the operators' CSV, OCP and channel.
	Rows [][]string `json:"rows,omitempty"`
	// Of contents: by key, the images; null for a null entry.
	Images map[string]*image `json:"images,omitempty"`
}

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	var folder *database
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			reply := respond(&folder, line)
			if encoder.Encode(reply) != nil || out.Flush() != nil {
				os.Exit(1)
			}
		}
		if err != nil {
			return
		}
	}
}

// respond answers one line. A load replaces the folder, also when it fails.
func respond(folder **database, line []byte) answer {
	var asked question
	if err := json.Unmarshal(line, &asked); err != nil {
		return failed("error", err)
	}
	switch asked.Kind {
	case "load":
		loaded, err := load(asked.Dir)
		*folder = loaded
		if err != nil {
			return failed("load-error", err)
		}
		return answer{Answers: []string{"ok"}, Skipped: loaded.skipped}
	case "index":
		charts, err := parseIndex(asked.YAML)
		if err != nil {
			return failed("load-error", err)
		}
		return answer{Answers: []string{"ok"}, Rows: chartRows(charts)}
	case "semver":
		return answer{Answers: []string{satisfies(asked.Constraint, asked.Version)}}
	case "container", "operator", "chart", "contents":
		if *folder == nil {
			return failed("error", fmt.Errorf("no folder is loaded"))
		}
		if asked.Kind == "contents" {
			return (*folder).contents()
		}
		return answer{Answers: (*folder).verdicts(asked)}
	}
	return failed("error", fmt.Errorf("unknown kind %q", asked.Kind))
}

func failed(kind string, err error) answer {
	return answer{Answers: []string{kind}, Error: err.Error()}
}
