// Package templates holds the files that gmctl writes for a user.
package templates

import (
	"cmp"
	"embed"
	"io/fs"
	"slices"
	"strings"
	"text/template"

	"github.com/gamemetrics/gmctl/internal/config"
)

//go:embed *.yaml
var files embed.FS

// Tree holds the templates.
func Tree() fs.FS { return files }

// ConfigOptions say what a gmctl.yaml to start from describes.
type ConfigOptions struct {
	Env      string          // name of the environment
	Provider config.Provider // what it runs on
	Template string          // aws: config.TemplateDev or config.TemplateProd
	Region   string          // aws
}

// group is a node group under its name.
type group struct {
	Name string
	config.NodeGroup
}

// Config returns the gmctl.yaml of `gmctl init`.
func Config(options ConfigOptions) (string, error) {
	defaults := config.DefaultAWS(options.Template)
	var groups []group
	for name, preset := range defaults.NodeGroups {
		groups = append(groups, group{name, preset})
	}
	order := []string{config.GroupSystem, config.GroupApplication, config.GroupData}
	slices.SortFunc(groups, func(a, b group) int {
		return cmp.Compare(slices.Index(order, a.Name), slices.Index(order, b.Name))
	})
	parsed, err := template.ParseFS(files, "gmctl-"+string(options.Provider)+".yaml")
	if err != nil {
		return "", err
	}
	var text strings.Builder
	err = parsed.Execute(&text, struct {
		ConfigOptions
		Default config.AWS
		Groups  []group
	}{options, defaults, groups})
	return text.String(), err
}
