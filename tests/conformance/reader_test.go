package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	pageFile = "data/operators/operator_catalog_page_0_500.db"
	oneChart = "entries:\n  c:\n  - {name: c, version: \"1\", kubeVersion: \">=1.20\"}\n"
)

// write lays the files of one case below a fresh folder. A path that ends in / is an empty folder.
func write(t *testing.T, files map[string]any) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if strings.HasSuffix(name, "/") {
			check(t, os.MkdirAll(path, 0o755))
			continue
		}
		check(t, os.MkdirAll(filepath.Dir(path), 0o755))
		switch content := content.(type) {
		case string:
			check(t, os.WriteFile(path, []byte(content), 0o644))
		case map[string]any:
			if target, linked := content["link"].(string); linked {
				check(t, os.Symlink(target, path))
				continue
			}
			bytes, err := base64.StdEncoding.DecodeString(fmt.Sprint(content["base64"]))
			check(t, err)
			check(t, os.WriteFile(path, bytes, 0o644))
		default:
			t.Fatalf("%s: unknown content %T", name, content)
		}
	}
	return root
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ask gives one question to the protocol, as a line.
func ask(t *testing.T, folder **database, asked any) []string {
	t.Helper()
	line, err := json.Marshal(asked)
	check(t, err)
	return respond(folder, line).Answers
}

func TestVerdictsOnMadeUpFolders(t *testing.T) {
	nullEntry := `{"sha256:a":null}`
	both := `{"sha256:a":null,"sha256:b":{"repositories":[{"registry":"registry.access.redhat.com","repository":"r","TAGS":[{"name":"latest"}]}]}}`
	stale := map[string]any{
		pageFile: `{"data":[{"csv_name":"a.v1","ocp_version":"4.9"}]}`,
		"data/operators/operator_catalog_page_1_500.db": `{"data":[{"csv_name":"b.v1"}]}`,
	}
	tests := []struct {
		name  string
		files map[string]any
		asked question
		want  []string
	}{
		{"a null entry panics on a tag", map[string]any{"data/containers/containers.db": nullEntry}, question{Kind: "container", Registry: "q", Repository: "r"}, []string{"panic"}},
		{"a null entry beside a match can do either", map[string]any{"data/containers/containers.db": both}, question{Kind: "container", Registry: "registry.redhat.io", Repository: "r"}, []string{"panic", "true"}},
		{"a null entry is found by digest", map[string]any{"data/containers/containers.db": nullEntry}, question{Kind: "container", Digest: "sha256:a"}, []string{"true"}},
		{"an absent field keeps the value of the page before", stale, question{Kind: "operator", CSV: "b.v1", OCP: "4.9"}, []string{"true"}},
		{"the version ends where the name comes again", map[string]any{pageFile: `{"data":[{"csv_name":"a.v1.a.v2"}]}`}, question{Kind: "operator", CSV: "a.v1."}, []string{"true"}},
		{"a chart for another Kubernetes", nil, question{Kind: "chart", Name: "c", Version: "1", Kube: "v1.19.0"}, []string{"false"}},
		{"a version that does not parse", nil, question{Kind: "chart", Name: "c", Version: "1", Kube: "n/a"}, []string{"panic"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			files := map[string]any{"data/containers/containers.db": "{}", "data/operators/": "", "data/helm/helm.db": oneChart}
			for name, content := range test.files {
				files[name] = content
			}
			var folder *database
			if got := ask(t, &folder, question{Kind: "load", Dir: write(t, files)}); !slices.Equal(got, []string{"ok"}) {
				t.Fatalf("load: %v", got)
			}
			if got := ask(t, &folder, test.asked); !slices.Equal(got, test.want) {
				t.Fatalf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestProtocolNamesWhatItCannotAnswer(t *testing.T) {
	var folder *database
	for _, line := range []string{"{", `{"kind":"image"}`, `{"kind":"container"}`} {
		if got := respond(&folder, []byte(line)); !slices.Equal(got.Answers, []string{"error"}) || got.Error == "" {
			t.Errorf("%s: %+v", line, got)
		}
	}
	if got := respond(&folder, []byte(`{"kind":"load","dir":"/nonexistent"}`)); !slices.Equal(got.Answers, []string{"load-error"}) || got.Error == "" {
		t.Errorf("%+v", got)
	}
}

// recorded opens a file of verdicts that the real reader gave, or skips the test where there is none.
func recorded(t *testing.T, name string, each func(line []byte)) {
	t.Helper()
	folder := os.Getenv("OCT_RECORDED_VERDICTS")
	if folder == "" {
		folder = "../../../shared/data"
	}
	file, err := os.Open(filepath.Join(folder, name))
	if err != nil {
		t.Skipf("skipped: no recorded verdicts: %v", err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<24)
	count := 0
	for ; lines.Scan(); count++ {
		each(lines.Bytes())
	}
	check(t, lines.Err())
	if count == 0 {
		t.Fatalf("%s is empty", name)
	}
	t.Logf("%s: %d compared", name, count)
}

func TestRecordedReaderCases(t *testing.T) {
	recorded(t, "reader-cases.jsonl", func(line []byte) {
		var recordedCase struct {
			Name      string
			Question  map[string]any
			Certsuite string
			Files     map[string]any
		}
		check(t, json.Unmarshal(line, &recordedCase))
		var folder *database
		got := ask(t, &folder, question{Kind: "load", Dir: write(t, recordedCase.Files)})
		if slices.Equal(got, []string{"ok"}) {
			got = ask(t, &folder, recordedCase.Question)
		}
		if !slices.Equal(got, []string{recordedCase.Certsuite}) {
			t.Errorf("%s: got %v, the real reader %s", recordedCase.Name, got, recordedCase.Certsuite)
		}
	})
}

// TestRecordedVerdicts needs the folder that the questions were put to: it is named by OCT_RECORDED_FOLDER (unpacked, holding data/).
func TestRecordedVerdicts(t *testing.T) {
	dir := os.Getenv("OCT_RECORDED_FOLDER")
	if dir == "" {
		t.Skip("skipped: OCT_RECORDED_FOLDER is not set")
	}
	var folder *database
	if got := ask(t, &folder, question{Kind: "load", Dir: dir}); !slices.Equal(got, []string{"ok"}) {
		t.Fatalf("load: %v", got)
	}
	recorded(t, "verdicts.jsonl", func(line []byte) {
		var want struct{ Verdict string }
		check(t, json.Unmarshal(line, &want))
		if got := respond(&folder, line).Answers; !slices.Equal(got, []string{want.Verdict}) {
			t.Errorf("%s: got %v", line, got)
		}
	})
}

func TestRecordedConstraints(t *testing.T) {
	recorded(t, "semver-verdicts.jsonl", func(line []byte) {
		var want struct{ Constraint, Version, Result string }
		check(t, json.Unmarshal(line, &want))
		if got := satisfies(want.Constraint, want.Version); got != want.Result {
			t.Errorf("%q %q: got %s, the real one %s", want.Constraint, want.Version, got, want.Result)
		}
	})
}
