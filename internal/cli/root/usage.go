package root

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gamemetrics/gmctl/internal/problem"
	"github.com/gamemetrics/gmctl/internal/suggest"
)

// takeNoArgumentsByDefault makes every command that says nothing of its
// arguments take none; cobra would let any pass.
func takeNoArgumentsByDefault(root *cobra.Command) {
	each(root, func(cmd *cobra.Command) {
		if cmd.Args == nil && cmd.Runnable() {
			cmd.Args = cobra.NoArgs
		}
	})
}

// unknownCommand returns what is wrong where args name a command that is not
// there. It is looked for before anything is parsed: a misspelt command's flags
// are not those of the command it is taken for.
func unknownCommand(root *cobra.Command, args []string) error {
	if len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd) {
		return nil
	}
	cmd, rest, err := root.Find(args)
	if err != nil {
		// cobra's own check of the root, which words it its way.
		cmd = root
	}
	if !cmd.HasSubCommands() {
		return nil
	}
	word, ok := firstArgument(cmd, rest)
	if !ok {
		return nil
	}
	return noSuchCommand(cmd, word)
}

// noSuchCommand says that cmd has no command called word, and which was
// probably meant.
func noSuchCommand(cmd *cobra.Command, word string) error {
	next := fmt.Sprintf("run %s --help for its commands", cmd.CommandPath())
	if meant := meantCommand(cmd, word); meant != "" {
		next = fmt.Sprintf("did you mean `%s`? %s", meant, next)
	}
	return &problem.Error{What: fmt.Sprintf("unknown command %q for %s", word, cmd.CommandPath()), Next: next, Kind: problem.Usage}
}

// firstArgument returns the first of args that is neither a flag nor its value.
func firstArgument(cmd *cobra.Command, args []string) (string, bool) {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			return "", false
		}
		if !strings.HasPrefix(arg, "-") || arg == "-" {
			return arg, true
		}
		if strings.Contains(arg, "=") {
			continue
		}
		var flag *pflag.Flag
		if long, ok := strings.CutPrefix(arg, "--"); ok {
			flag = lookup(cmd, func(set *pflag.FlagSet) *pflag.Flag { return set.Lookup(long) })
		} else if len(arg) == 2 {
			flag = lookup(cmd, func(set *pflag.FlagSet) *pflag.Flag { return set.ShorthandLookup(arg[1:]) })
		} else {
			continue // -ename holds its value
		}
		if flag == nil && arg != "--help" && arg != "-h" {
			return "", false // the flag is what is wrong
		}
		if flag != nil && flag.NoOptDefVal == "" {
			i++
		}
	}
	return "", false
}

// lookup looks for a flag in cmd's own flags and in those of what it is below.
func lookup(cmd *cobra.Command, in func(*pflag.FlagSet) *pflag.Flag) *pflag.Flag {
	for _, set := range []*pflag.FlagSet{cmd.Flags(), cmd.PersistentFlags(), cmd.InheritedFlags()} {
		if flag := in(set); flag != nil {
			return flag
		}
	}
	return nil
}

// meantCommand returns the path of the command that word probably stands for:
// one of cmd's that is spelt alike or has the word among those it is suggested
// for, else one of that name anywhere.
func meantCommand(cmd *cobra.Command, word string) string {
	var names []string
	byName := map[string]*cobra.Command{}
	for _, c := range cmd.Commands() {
		if !c.IsAvailableCommand() {
			continue
		}
		if slices.Contains(c.SuggestFor, word) {
			return c.CommandPath()
		}
		for _, name := range append([]string{c.Name()}, c.Aliases...) {
			names = append(names, name)
			byName[name] = c
		}
	}
	if near := suggest.Nearest(word, names); near != "" {
		return byName[near].CommandPath()
	}
	elsewhere := ""
	each(cmd.Root(), func(c *cobra.Command) {
		if elsewhere == "" && c.IsAvailableCommand() && c.Name() == word {
			elsewhere = c.CommandPath()
		}
	})
	return elsewhere
}

// flagProblem words what is wrong with a flag.
func flagProblem(cmd *cobra.Command, err error) error {
	see := fmt.Sprintf("run %s --help for its flags", cmd.CommandPath())
	p := &problem.Error{What: fmt.Sprintf("%s: %v", cmd.CommandPath(), err), Next: see, Kind: problem.Usage}
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		if passesOn := strings.Contains(cmd.Use, "[-- "); passesOn {
			p.Next = fmt.Sprintf("put what is for %s behind --: %s -- …; %s", cmd.Name(), cmd.CommandPath(), see)
		}
		name := unknown.GetSpecifiedName()
		if shorts := unknown.GetSpecifiedShortnames(); shorts != "" {
			p.What = fmt.Sprintf("unknown flag -%s for %s", name, cmd.CommandPath())
			if len(shorts) > 1 {
				p.What = fmt.Sprintf("unknown flag -%s in -%s for %s", name, shorts, cmd.CommandPath())
			}
			return p
		}
		p.What = fmt.Sprintf("unknown flag --%s for %s", name, cmd.CommandPath())
		if near := suggest.Nearest(name, flagNames(cmd)); near != "" {
			p.Next = fmt.Sprintf("did you mean --%s? %s", near, see)
		}
		return p
	}
	if missing, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		p.What = fmt.Sprintf("%s needs a value", flagWord(missing.GetFlag()))
		return p
	}
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		p.What = fmt.Sprintf("%s does not take %q", flagWord(invalid.GetFlag()), invalid.GetValue())
		p.Cause = invalid.Unwrap()
	}
	return p
}

// flagWord names a flag as its user knows it.
func flagWord(flag *pflag.Flag) string {
	if flag.Shorthand != "" {
		return "-" + flag.Shorthand + "/--" + flag.Name
	}
	return "--" + flag.Name
}

func flagNames(cmd *cobra.Command) []string {
	var names []string
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		if !flag.Hidden {
			names = append(names, flag.Name)
		}
	})
	return names
}

// argumentProblem makes a usage error of what cobra says about arguments and
// missing flags; an error that already has its three parts stays as it is.
func argumentProblem(cmd *cobra.Command, err error) error {
	if _, ok := errors.AsType[*problem.Error](err); ok {
		return err
	}
	what := err.Error()
	_, wanted, _ := strings.Cut(cmd.Use, " ")
	word, isWord := strings.CutPrefix(what, "unknown command ")
	switch {
	case isWord: // so cobra.NoArgs calls an argument that is too many
		word, _, _ = strings.Cut(word, " for ")
		what = fmt.Sprintf("%s takes no argument %s", cmd.CommandPath(), word)
	case wanted != "" && strings.Contains(what, " arg(s), "): // cobra's counts name nothing
		what = fmt.Sprintf("%s needs %s", cmd.CommandPath(), wanted)
	default:
		what = cmd.CommandPath() + ": " + what
	}
	return &problem.Error{What: what, Next: fmt.Sprintf("see how it is used: %s --help", cmd.CommandPath()), Kind: problem.Usage}
}

// newHelp returns `gmctl help`, which unlike cobra's fails for what is not there.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Print the help of a command",
		Example: `  gmctl help
  gmctl help kafka test`,
		Args: cobra.ArbitraryArgs,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			of, _, err := cmd.Root().Find(args)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var names []string
			for _, c := range of.Commands() {
				if c.IsAvailableCommand() {
					names = append(names, c.Name()+"\t"+c.Short)
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			of, rest, err := cmd.Root().Find(args)
			if err != nil {
				of, rest = cmd.Root(), args
			}
			if len(rest) > 0 {
				return noSuchCommand(of, rest[0])
			}
			of.InitDefaultHelpFlag()
			of.InitDefaultVersionFlag()
			return of.Help()
		},
	}
}
